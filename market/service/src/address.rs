//! Addresses as people write them.

/// Host and port of `HOST:PORT`; none if it is anything else.
pub(super) fn host_and_port(text: &str) -> Option<(&str, u16)> {
    let (host, port) = text.rsplit_once(':')?;
    let plain = !host.is_empty() && !host.contains(['/', '@', ' ', '?', '#']);
    if plain && port.bytes().all(|b| b.is_ascii_digit()) { Some((host, port.parse().ok()?)) } else { None }
}
