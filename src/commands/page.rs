//! The flags of all commands that serve the live page.

use std::path::PathBuf;

use clap::Args;

use super::Failure;
use super::address::addresses;
use crate::program::instance::PageAddress;
use crate::program::instance::keys::private_text;
use connections::Token;
use page::{Origin, READERS_MAX_DEFAULT};

/// The flags of the live page.
#[derive(Args, Clone, Debug)]
pub struct PageArgs {
    /// Address of the live page; port 0 takes a free one
    #[arg(long, env = "ORDERFLOW_PAGE", default_value = "127.0.0.1:8088", value_name = "HOST:PORT")]
    pub page: String,
    /// A name of this machine, besides localhost and IP addresses, by which browsers may ask for
    /// the page; may be given several times
    #[arg(long, env = "ORDERFLOW_PAGE_HOST", value_name = "NAME", value_delimiter = ',')]
    pub page_host: Vec<String>,
    /// An origin, such as https://grafana.example, whose pages may show the page in a frame and read
    /// its answers; may be given several times
    #[arg(long, env = "ORDERFLOW_PAGE_EMBED", value_name = "ORIGIN", value_delimiter = ',')]
    pub page_embed: Vec<String>,
    /// Readers of the page that get each change as it comes; further ones ask every 5 seconds
    #[arg(long, env = "ORDERFLOW_PAGE_READERS", default_value_t = READERS_MAX_DEFAULT, value_name = "N")]
    pub page_readers: usize,
    /// File with a token, a line of 16 or more characters, that the page, its API and /metrics then
    /// ask for: programs give it in a header, Authorization: Bearer; people in a form, once
    #[arg(long, env = "ORDERFLOW_PAGE_TOKEN_FILE", value_name = "FILE")]
    pub page_token_file: Option<PathBuf>,
    /// Serve no page
    #[arg(long, env = "ORDERFLOW_NO_PAGE")]
    pub no_page: bool,
}

impl PageArgs {
    /// Returns the token of the page and of the metrics; `None` if there is none.
    ///
    /// # Errors
    /// Returns [`Failure`] with exit code 2 if the file cannot be read, is open to other users, or
    /// holds no token.
    pub(super) fn token(&self) -> Result<Option<Token>, Failure> {
        let Some(path) = &self.page_token_file else { return Ok(None) };
        let text = private_text(path).map_err(|error| Failure::new(2, error))?;
        let token = Token::new(text.trim_ascii());
        token
            .map(Some)
            .map_err(|reason| Failure::new(2, format!("{} holds no token: {reason}", path.display())))
    }

    /// Returns where to serve the page; `None` for no page.
    ///
    /// # Errors
    /// Returns [`Failure`] with exit code 2 for an address or a name that is not valid, or if there
    /// is no token where there should be one.
    pub(super) fn address(&self) -> Result<Option<PageAddress>, Failure> {
        if self.no_page {
            return Ok(None);
        }
        for name in &self.page_host {
            let is_name = |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'.');
            if name.is_empty() || !name.bytes().all(is_name) {
                let wrong =
                    format!("--page-host {name:?} must be a host's name, without a port: shop.example");
                return Err(Failure::new(2, wrong));
            }
        }
        let origin = |text: &String| {
            let wrong = || {
                format!(
                    "--page-embed {text:?} must be an origin, without a path: https://grafana.example:3000"
                )
            };
            Origin::parse(text).ok_or_else(|| Failure::new(2, wrong()))
        };
        Ok(Some(PageAddress {
            addresses: addresses("--page", &self.page)?,
            hosts: self.page_host.iter().map(|name| name.to_ascii_lowercase()).collect(),
            embed: self.page_embed.iter().map(origin).collect::<Result<_, _>>()?,
            readers_max: self.page_readers,
            token: self.token()?,
        }))
    }
}
