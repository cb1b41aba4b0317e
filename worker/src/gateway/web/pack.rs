//! Files that travel packed: who takes them so, and what they are then.

use std::io::Write;

use axum::http::{HeaderMap, header};
use flate2::Compression;
use flate2::write::GzEncoder;

/// The same for the same, wherever and whenever it is packed.
pub fn pack(bytes: &[u8]) -> Vec<u8> {
    let mut packed = GzEncoder::new(Vec::new(), Compression::best());
    // To memory it cannot fail.
    let _ = packed.write_all(bytes);
    packed.finish().unwrap_or_default()
}

/// Whether `Accept-Encoding` names gzip (RFC 9110, 12.5.3). What it says of `*` would have to be
/// meant for it as well, and no browser says it.
pub fn is_taken(headers: &HeaderMap) -> bool {
    let lists = headers.get_all(header::ACCEPT_ENCODING).iter();
    let mut codings = lists.filter_map(|list| list.to_str().ok()).flat_map(|list| list.split(','));
    codings.any(|coding| {
        let (name, rest) = coding.split_once(';').unwrap_or((coding, ""));
        let weight = rest.split_once('=').map_or(1.0, |(_, q)| q.trim().parse().unwrap_or(0.0));
        name.trim().eq_ignore_ascii_case("gzip") && weight > 0.0
    })
}

#[cfg(test)]
mod tests {
    use std::io::Read;

    use flate2::read::GzDecoder;

    use super::*;

    #[test]
    fn it_can_be_unpacked() {
        for bytes in [&b""[..], b"a", &[7; 100_000]] {
            let mut back = Vec::new();
            GzDecoder::new(&pack(bytes)[..]).read_to_end(&mut back).unwrap();
            assert_eq!(back, bytes);
        }
    }

    #[test]
    fn it_is_taken_by_who_says_so() {
        let takes = |said: &str| {
            let headers = HeaderMap::from_iter([(header::ACCEPT_ENCODING, said.parse().unwrap())]);
            is_taken(&headers)
        };
        for said in ["gzip", "br, GZIP;q=0.5", "gzip, deflate, br, zstd", "gzip ; q=1"] {
            assert!(takes(said), "{said}");
        }
        for said in ["", "br", "gzip;q=0", "gzip; q=0.0, br", "identity", "gzip;q=x", "*"] {
            assert!(!takes(said), "{said}");
        }
        assert!(!is_taken(&HeaderMap::new()));
    }
}
