#![doc = include_str!("../README.md")]

#[expect(
    clippy::indexing_slicing,
    clippy::missing_panics_doc,
    clippy::unwrap_used,
    reason = "a test that its server fails is to fail"
)]
mod script;

use std::convert::Infallible;
use std::io;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use bytes::Bytes;
use http::{Request, Response};
use http_body_util::{BodyExt as _, Full};
use hyper::body::Incoming;
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper_util::rt::TokioIo;
use tokio::net::TcpListener;
use tokio::task::JoinSet;

pub use script::{Answer, ScriptedServer};

/// A server that runs until it is dropped.
#[derive(Debug)]
pub struct TestServer {
    url: String,
    calls: Arc<AtomicUsize>,
    _running: JoinSet<()>,
}

impl TestServer {
    /// Starts a server that answers each request, whose body is read already, with a status and a body.
    ///
    /// # Errors
    ///
    /// When no port can be opened.
    pub async fn start(
        answer: impl Fn(Request<Bytes>) -> (u16, String) + Send + Sync + 'static,
    ) -> io::Result<Self> {
        let listener = TcpListener::bind("127.0.0.1:0").await?;
        let url = format!("http://{}", listener.local_addr()?);
        let calls = Arc::new(AtomicUsize::new(0));
        let (answer, counter) = (Arc::new(answer), Arc::clone(&calls));
        let mut running = JoinSet::new();
        running.spawn(async move {
            // Connections end with the server.
            let mut connections = JoinSet::new();
            while let Ok((stream, _)) = listener.accept().await {
                let (answer, counter) = (Arc::clone(&answer), Arc::clone(&counter));
                connections.spawn(async move {
                    let service = service_fn(move |request: Request<Incoming>| {
                        counter.fetch_add(1, Ordering::Relaxed);
                        let answer = Arc::clone(&answer);
                        async move { Ok::<_, Infallible>(respond(request, answer.as_ref()).await) }
                    });
                    // A client that goes away is none of the server's business.
                    let _ = http1::Builder::new()
                        .serve_connection(TokioIo::new(stream), service)
                        .await;
                });
            }
        });
        Ok(Self {
            url,
            calls,
            _running: running,
        })
    }

    /// Returns the base URL, without a slash at its end.
    pub fn url(&self) -> &str {
        &self.url
    }

    /// Returns how many requests there were.
    pub fn calls(&self) -> usize {
        self.calls.load(Ordering::Relaxed)
    }
}

async fn respond(
    request: Request<Incoming>,
    answer: &(impl Fn(Request<Bytes>) -> (u16, String) + Send + Sync),
) -> Response<Full<Bytes>> {
    let (head, body) = request.into_parts();
    let body = match body.collect().await {
        Ok(body) => body.to_bytes(),
        Err(_) => Bytes::new(),
    };
    let (status, body) = answer(Request::from_parts(head, body));
    let mut response = Response::new(Full::new(Bytes::from(body)));
    *response.status_mut() = status.try_into().unwrap_or_default();
    response
}
