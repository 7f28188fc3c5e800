mod one_digest;
mod recovery;
mod results;
mod tables;
