//! A peer played by hand. It does the handshake as a real one, and then what the test wants, or
//! nothing.

use tokio::net::TcpStream;
use tokio::runtime::Runtime;

use super::*;
use crate::frame::{Body, Mark, Purpose};
use crate::handshake::{Failed, dial};

pub(super) struct Fake {
    pub(super) runtime: Runtime,
    pub(super) identity: Identity,
    pub(super) control: Option<TcpStream>,
    pub(super) data: Option<TcpStream>,
}

impl Fake {
    /// Creates process `config.process`, the last one of its run, not connected yet.
    pub(super) fn new(config: &ClusterConfig) -> Fake {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
        Fake { runtime, identity: identify(config, &[], "").unwrap(), control: None, data: None }
    }

    /// Makes a connection to process 0 and does the handshake.
    pub(super) fn dial(&self, purpose: Purpose) -> Result<TcpStream, Failed> {
        let mut stream = self.connect();
        self.runtime.block_on(dial(&mut stream, &self.identity, 0, purpose))?;
        Ok(stream)
    }

    /// Makes a connection to process 0, as soon as that listens.
    pub(super) fn connect(&self) -> TcpStream {
        let address = self.identity.addresses[0].clone();
        let start = Instant::now();
        self.runtime.block_on(async {
            loop {
                match TcpStream::connect(&address).await {
                    Ok(stream) => return stream,
                    Err(error) => assert!(start.elapsed() < PATIENCE, "process 0 does not listen: {error}"),
                }
            }
        })
    }

    /// Makes both connections and says that it is ready.
    pub(super) fn join(config: &ClusterConfig) -> Fake {
        let mut fake = Fake::new(config);
        fake.control = Some(fake.dial(Purpose::Control).unwrap());
        fake.data = Some(fake.dial(Purpose::Data).unwrap());
        fake.say(Body::Ready(Mark {}));
        fake
    }

    pub(super) fn say(&mut self, body: Body) {
        let control = self.control.as_mut().unwrap();
        self.runtime.block_on(frame::write(control, body)).unwrap();
    }
}
