//! Reads a file that grows, is cut short or is replaced.

use std::fs::{self, File};
use std::io;
use std::os::unix::fs::FileExt;
use std::path::{Path, PathBuf};

use super::look::{FileId, Growing, LOOK_BYTES, Look, file_id};
use crate::ingest::input::{Input, Inside};
use crate::ingest::reader::Buffer;
use crate::ingest::source::{open_file, read_error};
use crate::ingest::{Format, InputError, InputOptions};

/// A file that grows.
pub(super) struct TailedFile {
    growing: Growing,
    path: PathBuf,
    file: File,
    id: FileId,
    /// The position of the first byte that is not parsed.
    offset: u64,
    /// The position up to which the file was read. It is beyond `offset` if the record there is not
    /// complete.
    looked_to: u64,
    /// The last round in which anything was parsed.
    round: u32,
}

impl TailedFile {
    /// Opens a file whose first records are read by the parts of a plan. Starts after them.
    pub(super) fn planned(
        input: &Input,
        path: &Path,
        options: &InputOptions,
    ) -> Result<TailedFile, InputError> {
        let mut tailed = TailedFile::from_start(&input.name, path, input.format, input.ordinal)?;
        if let (Inside::Text { header, boundaries }, Some(size)) = (&input.inside, input.size_bytes) {
            tailed.offset = boundaries
                .start_from(&tailed.file, size)
                .map_err(|cause| input.read_error(&tailed.file, size, cause))?;
            tailed.looked_to = size;
            tailed.growing.start(header.as_ref(), options);
        }
        Ok(tailed)
    }

    /// Opens a file of which nothing was read, and starts at its beginning.
    pub(super) fn from_start(
        name: &str,
        path: &Path,
        format: Format,
        ordinal: u32,
    ) -> Result<TailedFile, InputError> {
        let file = open_file(path)?;
        let metadata = file.metadata().map_err(|cause| read_error(name, &file, 0, 0, cause))?;
        Ok(TailedFile {
            growing: Growing::new(name, format, ordinal),
            path: path.to_owned(),
            id: file_id(&metadata),
            file,
            offset: 0,
            looked_to: 0,
            round: 0,
        })
    }

    /// Returns which file is read now.
    pub(super) fn id(&self) -> FileId {
        self.id
    }

    /// Reads what was appended, and checks whether the name still leads to this file.
    pub(super) fn read(&mut self, buffer: &mut Buffer, look: &mut Look<'_>) -> Result<(), InputError> {
        // This is asked before the size. So the size includes all that was written before the file
        // was replaced.
        let successor = self.successor()?;
        let size = self.size()?;
        if size < self.looked_to {
            if self.round < look.round {
                look.state
                    .notes
                    .push(format!("{} was cut short: reading it from its start", self.growing.name));
                self.restart();
                self.read_on(size, false, buffer, look)?;
            }
            return Ok(());
        }
        let is_last_look = successor.is_some() && size - self.offset <= LOOK_BYTES as u64;
        if size > self.looked_to || (is_last_look && size > self.offset) {
            self.read_on(size, is_last_look, buffer, look)?;
        }
        if let (Some((file, id)), true) = (successor, is_last_look && self.round < look.round) {
            look.state.notes.push(format!("{} was replaced: reading the new file", self.growing.name));
            (self.file, self.id) = (file, id);
            self.restart();
            let size = self.size()?;
            self.read_on(size, false, buffer, look)?;
        }
        Ok(())
    }

    /// Returns the file that the name leads to now, if it is another one.
    fn successor(&self) -> Result<Option<(File, FileId)>, InputError> {
        match fs::metadata(&self.path) {
            Ok(metadata) if file_id(&metadata) != self.id => {}
            // If the name leads to nothing, the file may come back.
            _ => return Ok(None),
        }
        match File::open(&self.path) {
            Ok(file) => {
                let id = file_id(&file.metadata().map_err(|cause| self.error(cause))?);
                Ok(Some((file, id)))
            }
            Err(cause) if cause.kind() == io::ErrorKind::NotFound => Ok(None),
            Err(cause) => Err(InputError::Open { name: self.growing.name.clone(), cause }),
        }
    }

    fn size(&self) -> Result<u64, InputError> {
        Ok(self.file.metadata().map_err(|cause| self.error(cause))?.len())
    }

    fn restart(&mut self) {
        self.offset = 0;
        self.looked_to = 0;
        self.growing.parser = None;
    }

    /// Reads up to [`LOOK_BYTES`] from where parsing stopped, and parses the complete records. If
    /// this is the `last` look, the end of the file ends the last record.
    fn read_on(
        &mut self,
        size: u64,
        last: bool,
        buffer: &mut Buffer,
        look: &mut Look<'_>,
    ) -> Result<(), InputError> {
        let wanted = (size - self.offset).min(LOOK_BYTES as u64) as usize;
        buffer.restart(self.offset);
        while buffer.bytes().len() < wanted {
            let left = wanted - buffer.bytes().len();
            let at = self.offset + buffer.bytes().len() as u64;
            match self.file.read_at(buffer.room(left), at) {
                // The file was cut short just now. The next look notices that.
                Ok(0) => break,
                Ok(count) => buffer.extend(count),
                Err(cause) if cause.kind() == io::ErrorKind::Interrupted => {}
                Err(cause) => return Err(self.error(cause)),
            }
        }
        if buffer.bytes().is_empty() {
            return Ok(());
        }
        self.looked_to = self.offset + buffer.bytes().len() as u64;
        let consumed = self.growing.parse(buffer, last, look)?;
        if consumed > 0 {
            self.offset += consumed;
            self.round = look.round;
        }
        Ok(())
    }

    fn error(&self, cause: io::Error) -> InputError {
        InputError::Read { name: self.growing.name.clone(), at: self.offset, cause }
    }
}
