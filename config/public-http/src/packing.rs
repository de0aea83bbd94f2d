//! How the content of an answer is packed for its way, by what a browser can unpack (RFC 9110 §12.5.3).

use std::io::{self, Write};

use axum::{
    body::{Body, to_bytes},
    extract::Request,
    http::{HeaderMap, HeaderValue, header},
    middleware::Next,
    response::{IntoResponse, Response},
};
use brotli::enc::BrotliEncoderParams;
use flate2::{Compression, write::GzEncoder};

/// Quality of Brotli, of 11: at the last two a large script takes many times as long, and is hardly smaller.
const BROTLI_QUALITY: i32 = 9;
/// Below this there is nothing to gain, bytes.
const PACKED_BYTES_MIN: usize = 512;

/// What is worth it of what is made anew for each answer. Files are packed before, and events come one by one.
const PACKED_TYPES: [&str; 4] = ["application/json", "application/openmetrics-text", "image/svg+xml", "text/csv"];

/// Packs answers that are figures: JSON, tables and metrics. A middleware; with gzip, which is quick and known to all.
pub async fn pack(request: Request, next: Next) -> Response {
    let accepted = Some(Packing::Gzip).filter(|packing| packing.is_accepted(request.headers()));
    let answer = next.run(request).await;
    let content_type = answer.headers().get(header::CONTENT_TYPE).and_then(|value| value.to_str().ok());
    let is_figures = content_type.is_some_and(|name| PACKED_TYPES.iter().any(|packed| name.starts_with(packed)));
    let Some(packing) = accepted.filter(|_| is_figures && !answer.headers().contains_key(header::CONTENT_ENCODING))
    else {
        return answer;
    };
    let (mut head, body) = answer.into_parts();
    // It is in memory already: all such answers are made there.
    let Ok(body) = to_bytes(body, usize::MAX).await else { return (head, Body::empty()).into_response() };
    head.headers.append(header::VARY, HeaderValue::from_static("accept-encoding"));
    match packing.pack(&body) {
        Some(packed) => {
            head.headers.remove(header::CONTENT_LENGTH);
            head.headers.insert(header::CONTENT_ENCODING, HeaderValue::from_static(packing.name()));
            (head, packed).into_response()
        }
        None => (head, body).into_response(),
    }
}

/// A way to pack.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Packing {
    /// RFC 7932.
    Brotli,
    /// RFC 1952.
    Gzip,
}

impl Packing {
    /// The tightest one that a request with these headers accepts, if it accepts any.
    pub(super) fn accepted(request: &HeaderMap) -> Option<Packing> {
        [Packing::Brotli, Packing::Gzip].into_iter().find(|packing| packing.is_accepted(request))
    }

    fn is_accepted(self, request: &HeaderMap) -> bool {
        let lines = request.get_all(header::ACCEPT_ENCODING).iter().filter_map(|line| line.to_str().ok());
        lines.flat_map(|line| line.split(',')).any(|coding| self.is_meant(coding))
    }

    /// Whether `coding`, as in `gzip;q=0.5`, is this one, and wanted.
    fn is_meant(self, coding: &str) -> bool {
        let (name, weight) = coding.split_once(';').unwrap_or((coding, "q=1"));
        let weight = weight.trim().strip_prefix("q=").and_then(|weight| weight.parse::<f32>().ok());
        name.trim().eq_ignore_ascii_case(self.name()) && weight.is_some_and(|weight| weight > 0.0)
    }

    /// As in `Content-Encoding`.
    pub(super) fn name(self) -> &'static str {
        match self {
            Packing::Brotli => "br",
            Packing::Gzip => "gzip",
        }
    }

    /// `content` packed; none where that is no smaller.
    pub(super) fn pack(self, content: &[u8]) -> Option<Vec<u8>> {
        if content.len() < PACKED_BYTES_MIN {
            return None;
        }
        let packed = match self {
            Packing::Brotli => brotli(content),
            Packing::Gzip => gzip(content),
        };
        packed.ok().filter(|packed| packed.len() < content.len())
    }
}

fn brotli(mut content: &[u8]) -> io::Result<Vec<u8>> {
    let mut packed = Vec::new();
    let parameters = BrotliEncoderParams { quality: BROTLI_QUALITY, size_hint: content.len(), ..Default::default() };
    brotli::BrotliCompress(&mut content, &mut packed, &parameters)?;
    Ok(packed)
}

fn gzip(content: &[u8]) -> io::Result<Vec<u8>> {
    let mut packer = GzEncoder::new(Vec::new(), Compression::default());
    packer.write_all(content)?;
    packer.finish()
}

#[cfg(test)]
mod tests {
    use std::io::Read;

    use axum::http::HeaderValue;

    use super::*;

    #[test]
    fn what_a_browser_does_not_unpack_it_is_not_sent() {
        for (said, packing) in [
            (&["gzip, deflate, br, zstd"][..], Some(Packing::Brotli)),
            (&["gzip, deflate"], Some(Packing::Gzip)),
            (&["deflate", "GZIP;q=0.5"], Some(Packing::Gzip)),
            (&["br;q=0, gzip ; q=0.001"], Some(Packing::Gzip)),
            (&["br;q=0.0, gzip;q=0"], None),
            (&["gzip;q=x, brotli, xgzip"], None),
            (&["identity"], None),
            (&[], None),
        ] {
            let lines = said.iter().map(|line| (header::ACCEPT_ENCODING, HeaderValue::from_static(line)));
            let mut request = HeaderMap::new();
            lines.for_each(|(name, line)| {
                request.append(name, line);
            });
            assert_eq!(Packing::accepted(&request), packing, "{said:?}");
        }
    }

    #[test]
    fn what_was_packed_is_unpacked_to_what_it_was() {
        let content = "const kWh = 1000;\n".repeat(1_000).into_bytes();
        let mut unpacked = Vec::new();
        let packed = Packing::Gzip.pack(&content).unwrap();
        flate2::read::GzDecoder::new(packed.as_slice()).read_to_end(&mut unpacked).unwrap();
        assert!(packed.len() < 1_000 && unpacked == content);
        unpacked.clear();
        let packed = Packing::Brotli.pack(&content).unwrap();
        brotli::Decompressor::new(packed.as_slice(), 4_096).read_to_end(&mut unpacked).unwrap();
        assert!(packed.len() < 1_000 && unpacked == content);
        assert_eq!(Packing::Brotli.pack(&content[..PACKED_BYTES_MIN - 1]), None);
        assert_eq!(Packing::Gzip.pack(&packed.repeat(1)), None, "it cannot be packed twice");
    }
}
