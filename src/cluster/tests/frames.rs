//! Tests bytes from the network that are no frames.

use super::*;
use crate::frame::{self, Body, FrameError, Goodbye, Heartbeat, Mark, Proof, Refusal};
use crate::frame::{FRAME_BYTES_MAX, Hello, RUN_FACTS_BYTES_MAX};
use testkit::Random;

fn examples() -> Vec<Body> {
    let fact = Fact { name: "--window".to_owned(), value: "30s".to_owned() };
    vec![
        Body::Hello(Hello { nonce: vec![9; 32], version: "0.1.0".to_owned(), index: 3, ..Hello::default() }),
        Body::Proof(Proof { mac: vec![1; 32] }),
        Body::Refusal(Refusal { reason: "two processes are started with -p 1".to_owned() }),
        Body::RunFacts(RunFacts { facts: vec![fact; 5], problem: "no such file".to_owned() }),
        Body::Ready(Mark {}),
        Body::Heartbeat(Heartbeat { bytes: u64::MAX, orders: 1, rejected: 300 }),
        Body::Stop(Mark {}),
        Body::Goodbye(Goodbye { failed: "disk full".to_owned() }),
    ]
}

/// Reads one frame from bytes. Also returns how many bytes were left.
fn read(mut bytes: &[u8], bytes_max: usize) -> (Result<Body, FrameError>, usize) {
    let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();
    let body = runtime.block_on(frame::read(&mut bytes, bytes_max));
    (body, bytes.len())
}

#[test]
fn frames_come_back_as_they_were_and_nothing_behind_them_is_taken() {
    for body in examples() {
        let mut bytes = frame::encode(body.clone());
        bytes.extend_from_slice(b"behind");
        let (read, left) = read(&bytes, FRAME_BYTES_MAX);
        assert_eq!((read.unwrap(), left), (body, 6));
    }
}

#[test]
fn a_frame_cut_anywhere_is_closed() {
    for body in examples() {
        let bytes = frame::encode(body);
        for end in 0..bytes.len() {
            assert!(matches!(read(&bytes[..end], FRAME_BYTES_MAX).0, Err(FrameError::Closed)), "{end}");
        }
    }
}

#[test]
fn a_length_beyond_the_limit_is_refused_before_the_body() {
    for bytes_max in [0, FRAME_BYTES_MAX, RUN_FACTS_BYTES_MAX] {
        for length in [bytes_max as u32 + 1, u32::MAX] {
            let mut bytes = length.to_be_bytes().to_vec();
            bytes.extend_from_slice(&[0; 100]);
            let (outcome, left) = read(&bytes, bytes_max);
            assert!(matches!(outcome, Err(FrameError::Garbled)));
            assert_eq!(left, 100);
        }
    }
}

#[test]
fn text_of_a_peer_is_made_printable() {
    assert_eq!(frame::printable("a\x1b[2Jb\nc", 100), "a\u{fffd}[2Jb\u{fffd}c");
    assert_eq!(frame::printable("äöü", 3), "äöü");
    assert_eq!(frame::printable("äöüß", 3), "äöü…");
}

#[test]
fn no_bytes_make_the_decoder_panic() {
    const INPUTS: u64 = 200_000;
    let mut random = Random(0x0d0e);
    let examples: Vec<Vec<u8>> = examples().into_iter().map(frame::encode).collect();
    let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();
    let mut decoded = 0;
    for input in 0..INPUTS {
        let mut bytes = if input % 4 == 0 {
            // Noise follows a length that is acceptable.
            let length = random.below(200);
            let mut bytes = (length as u32).to_be_bytes().to_vec();
            bytes.extend((0..length).map(|_| random.next() as u8));
            bytes
        } else {
            examples[random.below(examples.len())].clone()
        };
        for _ in 0..random.below(4) {
            let at = random.below(bytes.len());
            match random.below(3) {
                0 => bytes[at] = random.next() as u8,
                1 => bytes[at] ^= 1 << random.below(8),
                _ => bytes.truncate(at.max(1)),
            }
        }
        let mut rest = bytes.as_slice();
        if let Ok(body) = runtime.block_on(frame::read(&mut rest, FRAME_BYTES_MAX)) {
            decoded += 1;
            // A frame that was understood can be encoded again, and decodes to the same.
            let again = frame::encode(body.clone());
            assert_eq!(runtime.block_on(frame::read(&mut again.as_slice(), FRAME_BYTES_MAX)).unwrap(), body);
        }
    }
    assert!(
        decoded > INPUTS / 10 && decoded < INPUTS,
        "{decoded} of {INPUTS} decoded: the inputs test nothing"
    );
}
