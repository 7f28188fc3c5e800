//! Serves the files of the page, which are part of the program. A file is compressed once, when a
//! reader first asks for that.

use std::io::Write;
use std::sync::{LazyLock, OnceLock};

use bytes::Bytes;
use flate2::Compression;
use flate2::write::GzEncoder;
use hyper::header::{self, HeaderMap, HeaderValue};
use hyper::{Response, StatusCode};
use xxhash_rust::xxh3::xxh3_128;

use super::answer::{Body, answer};

/// A file of the page.
pub(super) struct Asset {
    path: &'static str,
    bytes: &'static [u8],
    tag: OnceLock<HeaderValue>,
    gzip: OnceLock<Bytes>,
}

/// The page's own files, as the build script lists them: the address of each, and its bytes.
const FILES: &[(&str, &[u8])] = include!(concat!(env!("OUT_DIR"), "/assets.rs"));

/// The file of Apache ECharts, which the build script copies.
const CHARTS: (&str, &[u8]) = ("/echarts.js", include_bytes!(concat!(env!("OUT_DIR"), "/echarts.js")));

static ASSETS: LazyLock<Vec<Asset>> = LazyLock::new(|| {
    let asset = |&(path, bytes)| Asset { path, bytes, tag: OnceLock::new(), gzip: OnceLock::new() };
    FILES.iter().chain([&CHARTS]).map(asset).collect()
});

/// Returns the file with this path; `None` if there is none.
pub(super) fn find(path: &str) -> Option<&'static Asset> {
    ASSETS.iter().find(|asset| asset.path == path)
}

impl Asset {
    /// Returns the file, compressed if the reader accepts gzip, or the answer that the reader has
    /// it already.
    pub(super) fn answer(&'static self, request: &HeaderMap) -> Response<Body> {
        let tag = self.tag.get_or_init(|| {
            let tag = format!("\"{:032x}\"", xxh3_128(self.bytes));
            HeaderValue::try_from(tag).unwrap_or_else(|_| HeaderValue::from_static("\"\""))
        });
        let is_there = request.get_all(header::IF_NONE_MATCH).iter().any(|known| known == tag);
        let takes_gzip = lists(request, header::ACCEPT_ENCODING.as_str(), "gzip");
        let (status, bytes) = match (is_there, takes_gzip) {
            (true, _) => (StatusCode::NOT_MODIFIED, None),
            (false, true) => (StatusCode::OK, Some(self.gzip().clone())),
            (false, false) => (StatusCode::OK, Some(Bytes::from_static(self.bytes))),
        };
        let mut response = answer(status, self.content_type(), Body::Whole(bytes));
        let headers = response.headers_mut();
        headers.insert(header::ETAG, tag.clone());
        headers.insert(header::VARY, HeaderValue::from_static("accept-encoding"));
        // Browsers must ask each time whether the file is still the same, because another version
        // of the program may listen here.
        headers.insert(header::CACHE_CONTROL, HeaderValue::from_static("no-cache"));
        if takes_gzip && !is_there {
            headers.insert(header::CONTENT_ENCODING, HeaderValue::from_static("gzip"));
        }
        response
    }

    fn content_type(&self) -> &'static str {
        match self.path.rsplit_once('.') {
            Some((_, "css")) => "text/css; charset=utf-8",
            Some((_, "js")) => "text/javascript; charset=utf-8",
            Some((_, "svg")) => "image/svg+xml",
            _ => "text/html; charset=utf-8",
        }
    }

    fn gzip(&self) -> &Bytes {
        self.gzip.get_or_init(|| {
            let mut gzip = GzEncoder::new(Vec::new(), Compression::default());
            gzip.write_all(self.bytes).and_then(|()| gzip.finish()).unwrap_or_default().into()
        })
    }
}

/// Returns whether a header lists a token with a weight other than zero.
fn lists(request: &HeaderMap, name: &str, token: &str) -> bool {
    let values = request.get_all(name).iter().filter_map(|value| value.to_str().ok());
    values.flat_map(|value| value.split(',')).any(|item| {
        let (found, weight) = item.split_once(';').unwrap_or((item, ""));
        let is_off = weight.trim().strip_prefix("q=").is_some_and(|q| q.trim().parse() == Ok(0.0));
        found.trim().eq_ignore_ascii_case(token) && !is_off
    })
}
