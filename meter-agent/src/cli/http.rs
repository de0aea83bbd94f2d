//! The little HTTP that it takes to ask the household's own agent: one GET, one answer, on the household's own network.

use std::time::Duration;

use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::TcpStream,
};

const PATIENCE: Duration = Duration::from_secs(10);
/// A statement of a decade.
const ANSWER_BYTES_MAX: u64 = 256 << 20;

/// The body of the answer to `GET path` at `url` (`http://HOST:PORT`).
pub(crate) async fn get(url: &str, path: &str) -> Result<Vec<u8>, String> {
    let address = url.strip_prefix("http://").unwrap_or(url).trim_end_matches('/');
    let expected = || format!("expected a running agent at http://{address}");
    let answer = tokio::time::timeout(PATIENCE, exchange(address, path)).await;
    let answer = answer.map_err(|_| format!("{}, found no answer", expected()))?;
    let answer = answer.map_err(|error| format!("{}: {error}", expected()))?;
    let split = answer.windows(4).position(|window| window == b"\r\n\r\n");
    let (head, body) = answer.split_at(split.ok_or_else(|| format!("{}, found something else", expected()))?);
    if head.starts_with(b"HTTP/1.0 200") || head.starts_with(b"HTTP/1.1 200") {
        Ok(body[4..].to_vec())
    } else {
        let status = String::from_utf8_lossy(head).lines().next().unwrap_or_default().to_string();
        Err(format!("{}, found `{status}`", expected()))
    }
}

async fn exchange(address: &str, path: &str) -> std::io::Result<Vec<u8>> {
    let mut stream = TcpStream::connect(address).await?;
    // HTTP/1.0: the answer ends with the connection, and is never chunked.
    let request = format!("GET {path} HTTP/1.0\r\nHost: {address}\r\n\r\n");
    stream.write_all(request.as_bytes()).await?;
    let mut answer = Vec::new();
    stream.take(ANSWER_BYTES_MAX).read_to_end(&mut answer).await?;
    Ok(answer)
}
