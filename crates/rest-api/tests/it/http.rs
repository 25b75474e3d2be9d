//! What HTTP offers around the API: compressed bodies, chunks, HTTP/2, pages from other origins.

use std::io::{Read, Write};

use bytes::Bytes;
use flate2::Compression;
use flate2::read::GzDecoder;
use flate2::write::GzEncoder;
use http::{HeaderValue, Method, Request};
use http_body_util::{BodyExt, Full, StreamBody};
use hyper::body::Frame;
use hyper::client::conn::{http1, http2};
use hyper_util::rt::{TokioExecutor, TokioIo};
use oplog::ByteCount;
use rest_api::{CorsConfig, RestConfig};
use serde_json::{Value, json};
use tokio::net::TcpStream;

use crate::node::Node;

fn gzip(text: &str) -> Vec<u8> {
    let mut encoder = GzEncoder::new(Vec::new(), Compression::fast());
    encoder.write_all(text.as_bytes()).unwrap();
    encoder.finish().unwrap()
}

fn gunzip(bytes: &[u8]) -> Value {
    let mut text = String::new();
    GzDecoder::new(bytes).read_to_string(&mut text).unwrap();
    serde_json::from_str(&text).unwrap()
}

const ZIPPED: [(&str, &str); 2] = [("content-type", "application/json"), ("content-encoding", "gzip")];

#[tokio::test]
async fn bodies_are_compressed_both_ways() {
    let node = Node::start().await;
    let document = json!({"text": "word ".repeat(500)}).to_string();
    let written = node
        .call_with(Method::PUT, "/i/_doc/1", &ZIPPED, gzip(&document))
        .await;
    written.expect(201);
    let plain = node.get("/i/_doc/1").await;
    assert_eq!(plain.header("content-encoding"), "");
    let answer = node
        .call_with(
            Method::GET,
            "/i/_doc/1",
            &[("accept-encoding", "gzip,deflate")],
            "",
        )
        .await;
    assert_eq!(answer.header("content-encoding"), "gzip");
    assert_eq!(answer.header("x-elastic-product"), "Elasticsearch");
    assert!(answer.body.len() < plain.body.len() / 2);
    assert_eq!(gunzip(&answer.body), plain.json());
    let refused = node
        .call_with(Method::GET, "/none/_doc/1", &[("accept-encoding", "gzip")], "")
        .await;
    assert_eq!(
        (refused.status.as_u16(), &gunzip(&refused.body)["status"]),
        (404, &json!(404))
    );
    let head = node
        .call_with(Method::HEAD, "/i/_doc/1", &[("accept-encoding", "gzip")], "")
        .await;
    assert_eq!((head.status.as_u16(), head.header("content-encoding")), (200, ""));
}

#[tokio::test]
async fn a_body_that_cannot_be_taken_apart_is_refused_and_changes_nothing() {
    let config = RestConfig {
        max_content_length: ByteCount::from_kib(64),
        compression: false,
        ..RestConfig::default()
    };
    let node = Node::start_with("leader", config).await;
    let broken = &gzip("{\"n\": 1}")[..12];
    for body in [b"{}".as_slice(), broken] {
        node.call_with(Method::PUT, "/w", &ZIPPED, body)
            .await
            .refused(400, "illegal_argument_exception");
    }
    let unknown = [("content-type", "application/json"), ("content-encoding", "br")];
    let reason = node
        .call_with(Method::PUT, "/w", &unknown, "{}")
        .await
        .refused(415, "media_type_header_exception");
    assert!(reason.contains("[br]") && reason.contains("[gzip]"), "{reason}");
    // A few bytes that become more than is allowed.
    let bomb = gzip(&json!({"text": "x".repeat(200 << 10)}).to_string());
    assert!(bomb.len() < 4096);
    node.call_with(Method::PUT, "/w/_doc/1", &ZIPPED, bomb)
        .await
        .refused(413, "content_too_long_exception");
    assert_eq!(node.head("/w").await, 404);
    let answer = node
        .call_with(Method::GET, "/", &[("accept-encoding", "gzip")], "")
        .await;
    assert_eq!(answer.header("content-encoding"), "", "http.compression is off");
}

#[tokio::test]
async fn a_body_in_chunks_and_a_connection_of_http_2_are_as_good_as_any() {
    let node = Node::start().await;
    let connect = async || TokioIo::new(TcpStream::connect(node.address).await.unwrap());
    let put = |id: u8| {
        Request::builder()
            .method(Method::PUT)
            .uri(format!("http://localhost/i/_doc/{id}"))
            .header("host", "localhost")
            .header("content-type", "application/json")
    };
    let chunks = ["{\"text\"", ": \"in", " chunks\"}"];
    let frames = chunks.map(|chunk| Ok::<_, std::convert::Infallible>(Frame::data(Bytes::from(chunk))));
    let body = StreamBody::new(futures::stream::iter(frames));
    let (mut sender, connection) = http1::handshake(connect().await).await.unwrap();
    let send = async {
        sender
            .send_request(put(1).body(body).unwrap())
            .await
            .unwrap()
            .status()
    };
    let status = tokio::select! {
        status = send => status,
        ended = connection => panic!("{ended:?}"),
    };
    assert_eq!(status, 201);
    assert_eq!(
        node.get("/i/_source/1").await.expect(200),
        json!({"text": "in chunks"})
    );

    let (mut sender, connection) = http2::handshake(TokioExecutor::new(), connect().await)
        .await
        .unwrap();
    let exchange = async {
        let body = Full::new(Bytes::from("{\"text\": \"over HTTP/2\"}"));
        let created = sender.send_request(put(2).body(body).unwrap()).await.unwrap();
        let get = Request::get("http://localhost/i/_source/2")
            .body(Full::default())
            .unwrap();
        let got = sender.send_request(get).await.unwrap();
        let body = got.into_body().collect().await.unwrap().to_bytes();
        (created.status(), body)
    };
    let (status, body) = tokio::select! {
        done = exchange => done,
        ended = connection => panic!("{ended:?}"),
    };
    assert_eq!(status, 201);
    assert_eq!(
        serde_json::from_slice::<Value>(&body).unwrap(),
        json!({"text": "over HTTP/2"})
    );
}

#[tokio::test]
async fn pages_from_other_origins_are_answered_only_if_the_configuration_says_so() {
    let from = |origin| [("origin", origin), ("access-control-request-method", "PUT")];
    let page = "https://console.example";
    let allowed = |answer: &crate::node::Answer| answer.header("access-control-allow-origin").to_owned();
    let closed = Node::start().await;
    let answer = closed.call_with(Method::GET, "/", &from(page), "").await;
    assert_eq!((answer.status.as_u16(), allowed(&answer)), (200, String::new()));

    let cors = CorsConfig {
        allow_origin: vec![HeaderValue::from_static("https://console.example")],
        ..CorsConfig::default()
    };
    let config = RestConfig {
        cors: Some(cors),
        ..RestConfig::default()
    };
    let open = Node::start_with("leader", config).await;
    let question = open.call_with(Method::OPTIONS, "/i", &from(page), "").await;
    assert_eq!(
        (question.status.as_u16(), allowed(&question)),
        (200, page.to_owned())
    );
    assert!(question.header("access-control-allow-methods").contains("PUT"));
    assert!(
        question
            .header("access-control-allow-headers")
            .contains("content-type")
    );
    assert_eq!(question.header("access-control-max-age"), "1728000");
    let answer = open.call_with(Method::GET, "/", &from(page), "").await;
    assert_eq!(allowed(&answer), page);
    let other = open
        .call_with(Method::GET, "/", &from("https://evil.example"), "")
        .await;
    assert_eq!(allowed(&other), "");
}
