//! Compiles the messages of the wire protocol, without a `protoc`.

use std::error::Error;

fn main() -> Result<(), Box<dyn Error>> {
    let folder = "proto";
    println!("cargo:rerun-if-changed={folder}");
    let files = protox::compile(["table.proto", "tunnel.proto", "snapshot.proto"], [folder])?;
    prost_build::Config::new().bytes(["."]).compile_fds(files)?;
    Ok(())
}
