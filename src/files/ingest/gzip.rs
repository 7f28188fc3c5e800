//! Reads gzip members that follow each other, and zeros after the last one.
//!
//! Tapes and block devices pad files with zeros, so gzip itself takes them for the end. Any other
//! bytes after a member are an error that says where they begin.

use std::fmt;
use std::io::{self, BufRead, Read};

use flate2::bufread::GzDecoder;

/// A source of compressed bytes that knows how many were taken from it.
pub(super) trait Stored: BufRead {
    /// Returns the number of bytes that were taken.
    fn taken_bytes(&self) -> u64;
}

/// The error that the last member is followed by bytes that are no gzip.
#[derive(Debug)]
pub(super) struct OtherBytes {
    /// Where they begin, in bytes as they are stored.
    pub(super) at: u64,
}

impl fmt::Display for OtherBytes {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "bytes that are no gzip, from byte {} on", self.at)
    }
}

impl std::error::Error for OtherBytes {}

/// A reader of the content of gzip members.
pub(super) struct GzipReader<R> {
    state: State<R>,
}

enum State<R> {
    Member(Box<GzDecoder<R>>),
    Ended(R),
    /// Between two states only.
    Moving,
}

impl<R: Stored> GzipReader<R> {
    pub(super) fn new(stored: R) -> GzipReader<R> {
        GzipReader { state: State::Member(Box::new(GzDecoder::new(stored))) }
    }

    /// Returns the source of compressed bytes.
    pub(super) fn get_ref(&self) -> &R {
        match &self.state {
            State::Member(decoder) => decoder.get_ref(),
            State::Ended(stored) => stored,
            State::Moving => unreachable!("a reader is never left between two states"),
        }
    }

    /// Goes on to the next member, or to the end.
    fn next_member(&mut self) -> io::Result<()> {
        let State::Member(decoder) = std::mem::replace(&mut self.state, State::Moving) else {
            unreachable!("only a member has a next one");
        };
        let mut stored = decoder.into_inner();
        let found = after_member(&mut stored);
        self.state = match found {
            Ok(true) => State::Member(Box::new(GzDecoder::new(stored))),
            _ => State::Ended(stored),
        };
        found.map(drop)
    }
}

/// Returns whether another member follows. Zeros before the end are skipped.
fn after_member(stored: &mut impl Stored) -> io::Result<bool> {
    let at = stored.taken_bytes();
    loop {
        let is_first = stored.taken_bytes() == at;
        let bytes = match stored.fill_buf() {
            Err(error) if error.kind() == io::ErrorKind::Interrupted => continue,
            bytes => bytes?,
        };
        match bytes {
            [] => return Ok(false),
            // If this is the only byte so far, the decoder finds out whether it begins a member.
            [0x1f] | [0x1f, 0x8b, ..] if is_first => return Ok(true),
            [0, ..] => {
                let zeros = bytes.iter().take_while(|byte| **byte == 0).count();
                stored.consume(zeros);
            }
            _ => return Err(other_bytes(at)),
        }
    }
}

fn other_bytes(at: u64) -> io::Error {
    io::Error::new(io::ErrorKind::InvalidData, OtherBytes { at })
}

impl<R: Stored> Read for GzipReader<R> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        if buffer.is_empty() {
            return Ok(0);
        }
        loop {
            match &mut self.state {
                State::Member(decoder) => match decoder.read(buffer)? {
                    0 => self.next_member()?,
                    count => return Ok(count),
                },
                State::Ended(_) => return Ok(0),
                State::Moving => unreachable!("a reader is never left between two states"),
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use std::io::Write;

    use flate2::write::GzEncoder;

    use super::*;

    /// Bytes that are given a few at a time.
    struct Pieces {
        bytes: Vec<u8>,
        at: usize,
        piece: usize,
    }

    impl Read for Pieces {
        fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
            let count = self.fill_buf()?.read(buffer)?;
            self.consume(count);
            Ok(count)
        }
    }

    impl BufRead for Pieces {
        fn fill_buf(&mut self) -> io::Result<&[u8]> {
            let end = self.bytes.len().min(self.at + self.piece);
            Ok(&self.bytes[self.at..end])
        }
        fn consume(&mut self, count: usize) {
            self.at += count;
        }
    }

    impl Stored for Pieces {
        fn taken_bytes(&self) -> u64 {
            self.at as u64
        }
    }

    fn gzip(content: &[u8]) -> Vec<u8> {
        let mut encoder = GzEncoder::new(Vec::new(), flate2::Compression::fast());
        encoder.write_all(content).unwrap();
        encoder.finish().unwrap()
    }

    fn read(bytes: &[u8]) -> Result<Vec<u8>, String> {
        let outcomes: Vec<_> = [1, 2, 7, 1_000]
            .map(|piece| {
                let mut content = Vec::new();
                let mut reader = GzipReader::new(Pieces { bytes: bytes.to_vec(), at: 0, piece });
                reader.read_to_end(&mut content).map(|_| content).map_err(|error| error.to_string())
            })
            .into();
        assert!(outcomes.iter().all(|outcome| *outcome == outcomes[0]), "{outcomes:?}");
        outcomes[0].clone()
    }

    #[test]
    fn members_follow_each_other_and_zeros_end_them() {
        let (one, two) = (gzip(b"one "), gzip(b"two"));
        let both = [&one[..], &two].concat();
        assert_eq!(read(&both).unwrap(), b"one two");
        assert_eq!(read(&[&both[..], &[0; 512]].concat()).unwrap(), b"one two");
        assert_eq!(read(&[&both[..], &gzip(b""), &[0]].concat()).unwrap(), b"one two");
        let at = both.len();
        let other = format!("bytes that are no gzip, from byte {at} on");
        for end in [&b"x"[..], b"\0\0x", b"garbage\n", &[&[0][..], &one].concat()] {
            assert_eq!(read(&[&both[..], end].concat()), Err(other.clone()), "{end:?}");
        }
        assert!(read(&both[..at - 1]).is_err());
        assert!(read(&[&both[..], &one[..5]].concat()).is_err());
        assert!(read(&[&both[..], b"\x1f"].concat()).is_err());
    }
}
