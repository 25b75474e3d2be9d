//! The HTTP server: accepts connections, serves each one, stops within a deadline.

use std::convert::Infallible;
use std::io;
use std::time::Duration;

use axum::Router;
use axum::body::Body;
use http::{Request, Uri};
use hyper::body::Incoming;
use hyper::service::service_fn;
use hyper_util::rt::{TokioExecutor, TokioIo, TokioTimer};
use hyper_util::server::conn::auto;
use tokio::net::{TcpListener, TcpStream};
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;
use tower::ServiceExt;

use crate::dispatch::router;
use crate::state::RestState;

/// How long to wait before accepting again when the system refuses, for instance for want of file descriptors.
const ACCEPT_PAUSE: Duration = Duration::from_millis(50);

/// Serves the REST API on `listener` until `stop` is cancelled.
///
/// Then no connection is accepted any more, requests under way are finished, and what is left after
/// [`shutdown_deadline`](crate::RestConfig::shutdown_deadline) is cut off. Work that outlives its client is awaited under the same deadline.
///
/// # Errors
/// None at present: a connection that fails is logged and forgotten.
pub async fn serve(listener: TcpListener, state: RestState, stop: CancellationToken) -> io::Result<()> {
    let app = router(state.clone());
    let connections = TaskTracker::new();
    let cut_off = CancellationToken::new();
    loop {
        let accepted = tokio::select! {
            biased;
            () = stop.cancelled() => break,
            accepted = listener.accept() => accepted,
        };
        match accepted {
            Ok((stream, _)) => {
                let (app, stop, cut_off) = (app.clone(), stop.clone(), cut_off.clone());
                connections.spawn(async move {
                    tokio::select! {
                        () = serve_connection(stream, app, stop) => {}
                        () = cut_off.cancelled() => {}
                    }
                });
            }
            Err(error) => {
                tracing::warn!(%error, "cannot accept a connection");
                tokio::time::sleep(ACCEPT_PAUSE).await;
            }
        }
    }
    drop(listener);
    connections.close();
    state.tasks().stop();
    state.work().close();
    let finish = async {
        connections.wait().await;
        state.work().wait().await;
    };
    if tokio::time::timeout(state.config().shutdown_deadline, finish)
        .await
        .is_err()
    {
        tracing::warn!(
            connections = connections.len(),
            "requests were cut off at the shutdown deadline"
        );
        cut_off.cancel();
        connections.wait().await;
    }
    Ok(())
}

async fn serve_connection(stream: TcpStream, app: Router, stop: CancellationToken) {
    // Without this a small answer can wait 40 ms for the client's acknowledgement.
    if let Err(error) = stream.set_nodelay(true) {
        tracing::debug!(%error, "cannot set TCP_NODELAY");
    }
    let service = service_fn(move |request: Request<Incoming>| {
        let app = app.clone();
        async move {
            let response = app.oneshot(normalized(request.map(Body::new))).await;
            Ok::<_, Infallible>(response.unwrap_or_else(|never| match never {}))
        }
    });
    let mut builder = auto::Builder::new(TokioExecutor::new());
    // No read timeout: clients keep idle connections for minutes and treat a close by the server as a failure.
    builder
        .http1()
        .timer(TokioTimer::new())
        .header_read_timeout(None::<Duration>);
    let connection = builder.serve_connection(TokioIo::new(stream), service);
    let mut connection = std::pin::pin!(connection);
    let outcome = tokio::select! {
        outcome = connection.as_mut() => outcome,
        () = stop.cancelled() => {
            connection.as_mut().graceful_shutdown();
            connection.await
        }
    };
    if let Err(error) = outcome {
        tracing::debug!(error = %error, "connection ended with an error");
    }
}

/// Removes empty segments from the path: `/index/` and `//index` are `/index`.
fn normalized<B>(mut request: Request<B>) -> Request<B> {
    let path = request.uri().path();
    if path == "/" || !(path.ends_with('/') || path.contains("//")) {
        return request;
    }
    let mut clean: String = path
        .split('/')
        .filter(|part| !part.is_empty())
        .flat_map(|part| ["/", part])
        .collect();
    if clean.is_empty() {
        clean.push('/');
    }
    if let Some(query) = request.uri().query() {
        clean.push('?');
        clean.push_str(query);
    }
    if let Ok(uri) = clean.parse::<Uri>() {
        *request.uri_mut() = uri;
    }
    request
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn empty_path_segments_do_not_count() {
        let cases = [
            ("/", "/"),
            ("//", "/"),
            ("/a/", "/a"),
            ("//a//b/?x=/&y", "/a/b?x=/&y"),
            ("/a%2F/b", "/a%2F/b"),
        ];
        for (given, expected) in cases {
            let request = Request::builder().uri(given).body(()).expect("valid");
            assert_eq!(normalized(request).uri(), expected, "{given}");
        }
    }
}
