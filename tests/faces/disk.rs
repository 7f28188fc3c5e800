//! Disks that have no room, and disks that fail.

use std::fs::{self, File};
use std::io::{BufRead, BufReader, Write};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use rustix::process::{Pid, Resource, Rlimit, prlimit};

use crate::store_server::Up;
use crate::support::{Process, ended, orderflow};

/// A library that fails the syncs of a process as long as a file is there.
pub(super) fn failing_syncs(dir: &Path) -> (PathBuf, PathBuf) {
    let (source, library, switch) = (dir.join("syncs.c"), dir.join("syncs.so"), dir.join("syncs-fail"));
    let code = format!(
        "#include <errno.h>\n#include <unistd.h>\n#include <sys/syscall.h>\n\
         static int fails(void) {{ return access(\"{}\", F_OK) == 0; }}\n\
         int fdatasync(int fd) {{ if (fails()) {{ errno = ENOSPC; return -1; }} return syscall(SYS_fdatasync, fd); }}\n\
         int fsync(int fd) {{ if (fails()) {{ errno = ENOSPC; return -1; }} return syscall(SYS_fsync, fd); }}\n",
        switch.display()
    );
    fs::write(&source, code).expect("the source is written");
    let built = Command::new("cc").args(["-shared", "-fPIC", "-o"]).args([&library, &source]).output();
    let built = ended(built.expect("there is a C compiler"));
    assert_eq!(built.code, Some(0), "{}", built.stderr);
    (library, switch)
}

/// A command of the program whose files may not grow beyond a limit that is set later: then writes
/// fail, where by default they would end the process.
pub(super) fn limited(args: &[&str]) -> Command {
    let program = orderflow(args);
    let mut command = Command::new("sh");
    command
        .args(["-c", "trap '' XFSZ; exec \"$0\" \"$@\""])
        .arg(program.get_program())
        .args(program.get_args());
    for (name, value) in program.get_envs() {
        match value {
            Some(value) => command.env(name, value),
            None => command.env_remove(name),
        };
    }
    command
}

pub(super) fn limit(up: &Up, bytes: Option<u64>) {
    let limit = Rlimit { current: bytes, maximum: None };
    prlimit(Pid::from_raw(up.id().cast_signed()), Resource::Fsize, limit).expect("the limit is set");
}

/// A disk of so many bytes, which is gone with this value; `None` where the machine allows none.
pub(super) struct SmallDisk {
    _holder: Process,
    pub(super) path: PathBuf,
}

impl SmallDisk {
    pub(super) fn mount(dir: &Path, bytes: u64) -> Option<SmallDisk> {
        let mut command = Command::new("unshare");
        if !rustix::process::geteuid().is_root() {
            command.args(["--user", "--map-root-user"]);
        }
        // It lives in a namespace of its own, as long as its standard input is open.
        let script = format!("mount -t tmpfs -o size={bytes} tmpfs \"$0\" && echo mounted && exec cat");
        command.args(["--mount", "sh", "-c", &script]).arg(dir).stdin(Stdio::piped());
        let mut holder = Process::spawn(command);
        let mut said = String::new();
        let stdout = BufReader::new(holder.0.stdout.take().expect("piped")).read_line(&mut said);
        if stdout.is_err() || said != "mounted\n" {
            eprintln!("this machine allows no small disk, so there is nothing to see here");
            return None;
        }
        let path = PathBuf::from(format!("/proc/{}/root{}", holder.0.id(), dir.display()));
        Some(SmallDisk { _holder: holder, path })
    }

    /// Fills it.
    pub(super) fn fill(&self) {
        let mut file = File::create(self.path.join("ballast")).expect("a file is made");
        for bytes in [1 << 20, 4 << 10, 1] {
            while file.write_all(&vec![1; bytes]).is_ok() {}
        }
    }

    /// Frees what filled it.
    pub(super) fn free(&self) {
        fs::remove_file(self.path.join("ballast")).expect("the file goes");
    }
}
