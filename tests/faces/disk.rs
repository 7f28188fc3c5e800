//! Disks that have no room, and disks that fail.

use std::fs::{self, File};
use std::io::{BufRead, BufReader, Write};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use rustix::process::{Pid, Resource, Rlimit, prlimit};

use crate::signals::Endless;
use crate::store_server::Up;
use crate::support::{Process, ended, orderflow};

/// A disk whose syncs fail, or of whose commits the syncs come to no end, for processes that have a
/// library loaded.
pub(super) struct BadDisk {
    library: PathBuf,
    fails: PathBuf,
    holds: PathBuf,
}

impl BadDisk {
    pub(super) fn new(dir: &Path) -> BadDisk {
        let path = |name| dir.join(name);
        let (source, library) = (path("syncs.c"), path("syncs.so"));
        let (fails, holds) = (path("syncs-fail"), path("syncs-hold"));
        // To open a pipe waits until somebody opens it to write, to read it until that one is gone.
        let code = format!(
            "#include <errno.h>\n#include <fcntl.h>\n#include <string.h>\n#include <unistd.h>\n\
             #include <sys/prctl.h>\n#include <sys/syscall.h>\n\
             static int bad(void) {{\n\
             char end, name[17] = \"\"; int pipe = -1; prctl(PR_GET_NAME, name);\n\
             if (!strcmp(name, \"store-commit\")) pipe = open(\"{}\", O_RDONLY);\n\
             if (pipe >= 0) {{ (void)!read(pipe, &end, 1); close(pipe); }}\n\
             if (access(\"{}\", F_OK)) return 0;\n\
             errno = ENOSPC; return 1; }}\n\
             int fdatasync(int fd) {{ return bad() ? -1 : syscall(SYS_fdatasync, fd); }}\n\
             int fsync(int fd) {{ return bad() ? -1 : syscall(SYS_fsync, fd); }}\n",
            holds.display(),
            fails.display()
        );
        fs::write(&source, code).expect("the source is written");
        let built = Command::new("cc").args(["-shared", "-fPIC", "-o"]).args([&library, &source]).output();
        let built = ended(built.expect("there is a C compiler"));
        assert_eq!(built.code, Some(0), "{}", built.stderr);
        BadDisk { library, fails, holds }
    }

    /// Lets a command of the program write to this disk.
    pub(super) fn under(&self, command: &mut Command) {
        command.env("LD_PRELOAD", &self.library);
    }

    pub(super) fn fail(&self) {
        fs::write(&self.fails, "").expect("syncs fail");
    }

    pub(super) fn fail_no_more(&self) {
        fs::remove_file(&self.fails).expect("syncs succeed");
    }

    /// Holds the next sync of a commit. A store that is being opened syncs without.
    pub(super) fn hold(&self) -> Endless {
        Endless::new(self.holds.clone())
    }

    /// Lets go the sync that is held, and all that follow.
    pub(super) fn let_go(&self, held: File) {
        fs::remove_file(&self.holds).expect("the pipe goes");
        drop(held);
    }
}

/// Damages the rows of a store that was restored, which are all in sorted files.
pub(super) fn damage_rows(data: &Path) {
    let files = fs::read_dir(data.join("engine/keyspaces/2/tables")).expect("the folder of rows");
    for file in files {
        let path = file.expect("an entry").path();
        let mut bytes = fs::read(&path).expect("the file");
        // Blocks of entries come first.
        bytes[100..200].fill(0xA5);
        fs::write(path, bytes).expect("the file is written");
    }
}

/// A command of the program whose files may not grow beyond a limit that is set later: then writes
/// fail, where by default they would end the process.
pub(crate) fn limited(args: &[&str]) -> Command {
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

pub(crate) fn limit(up: &Up, bytes: Option<u64>) {
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
