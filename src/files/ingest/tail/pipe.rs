//! Reads a pipe or standard input. A thread waits for its bytes, so that no worker has to.

use std::sync::mpsc::{Receiver, SyncSender, TryRecvError, sync_channel};
use std::thread;

use super::look::{Growing, LOOK_BYTES, Look};
use crate::ingest::inputs::Input;
use crate::ingest::reader::Buffer;
use crate::ingest::source::Source;
use crate::ingest::{InputError, InputOptions};

/// The number of bytes that are read at a time from a pipe.
const READ_BYTES: usize = 64 << 10;

/// The most reads that wait to be parsed. If there are as many, the pipe is not read until one is
/// parsed.
const READS_MAX: usize = 16;

/// A pipe, and its bytes that are not parsed yet.
pub(super) struct TailedPipe {
    growing: Growing,
    reads: Receiver<Result<Vec<u8>, InputError>>,
    buffer: Buffer,
    ended: bool,
}

impl TailedPipe {
    /// Starts the thread that reads. It ends when the pipe ends, or at its first read after this
    /// value is dropped.
    pub(super) fn new(input: &Input, options: &InputOptions) -> Result<TailedPipe, InputError> {
        let (sender, reads) = sync_channel(READS_MAX);
        let (name, path, compression) = (input.name.clone(), input.path.clone(), input.compression);
        let window_bytes_max = options.zstd_window_bytes_max;
        thread::Builder::new()
            .name(format!("read {name}"))
            .spawn(move || match Source::whole(&name, path.as_deref(), compression, window_bytes_max) {
                Ok(source) => pump(&name, source, &sender),
                // If the receiver is gone, nobody needs the error.
                Err(error) => drop(sender.send(Err(error))),
            })
            .map_err(|cause| InputError::Open { name: input.name.clone(), cause })?;
        let growing = Growing::new(&input.name, input.format, input.ordinal);
        Ok(TailedPipe { growing, reads, buffer: Buffer::new(0), ended: false })
    }

    /// Returns whether nothing more can come.
    pub(super) fn ended(&self) -> bool {
        self.ended
    }

    /// Parses what has come so far. Does not wait for more.
    pub(super) fn read(&mut self, look: &mut Look<'_>) -> Result<(), InputError> {
        let mut taken = 0;
        while !self.ended && taken < LOOK_BYTES {
            match self.reads.try_recv() {
                Ok(bytes) => {
                    let bytes = bytes?;
                    self.buffer.room(bytes.len()).copy_from_slice(&bytes);
                    self.buffer.extend(bytes.len());
                    taken += bytes.len();
                }
                Err(TryRecvError::Empty) => break,
                Err(TryRecvError::Disconnected) => {
                    self.ended = true;
                    self.growing.parse(&mut self.buffer, true, look)?;
                    return Ok(());
                }
            }
        }
        if taken > 0 {
            self.growing.parse(&mut self.buffer, false, look)?;
        }
        Ok(())
    }
}

/// Sends what a pipe gives until the pipe ends or fails, or the receiver is gone.
fn pump(name: &str, mut source: Source, sender: &SyncSender<Result<Vec<u8>, InputError>>) {
    let mut bytes = vec![0; READ_BYTES];
    loop {
        let read = match source.read(&mut bytes) {
            Ok(0) => return,
            Ok(count) => Ok(bytes[..count].to_vec()),
            Err(cause) if cause.kind() == std::io::ErrorKind::Interrupted => continue,
            Err(cause) => Err(source.error(name, cause)),
        };
        let failed = read.is_err();
        if sender.send(read).is_err() || failed {
            return;
        }
    }
}
