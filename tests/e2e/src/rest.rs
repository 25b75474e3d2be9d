//! A plain REST client: it sends what it is told and returns what came back, without retries and without interpretation.

use anyhow::{Context, Result, bail};
use reqwest::Method;
use serde_json::Value;
use std::time::Duration;

/// The header by which official clients know the product; every successful answer must carry it.
const PRODUCT_HEADER: &str = "x-elastic-product";

/// A client of one node.
#[derive(Debug, Clone)]
pub(crate) struct Rest {
    http: reqwest::Client,
    base: String,
}

/// A status and a body; the body is the text itself when it is not JSON.
#[derive(Debug, Clone)]
pub(crate) struct Answer {
    /// The HTTP status.
    pub(crate) status: u16,
    /// The body.
    pub(crate) body: Value,
}

impl Answer {
    /// Whether the status is one of success.
    pub(crate) fn is_success(&self) -> bool {
        (200..300).contains(&self.status)
    }

    /// The name of the failure, or an empty string.
    pub(crate) fn error_type(&self) -> &str {
        self.body["error"]["type"].as_str().unwrap_or_default()
    }

    /// The body of a successful answer; any other is an error.
    pub(crate) fn success(self) -> Result<Value> {
        if !self.is_success() {
            bail!("status {}: {}", self.status, self.body);
        }
        Ok(self.body)
    }
}

impl Rest {
    /// A client of the node at `address` (host and port), with a deadline for each request.
    pub(crate) fn new(address: &str, timeout: Duration) -> Result<Rest> {
        let http = reqwest::Client::builder().no_proxy().timeout(timeout).build()?;
        Ok(Rest {
            http,
            base: format!("http://{address}"),
        })
    }

    /// The node's URL.
    pub(crate) fn base(&self) -> &str {
        &self.base
    }

    /// Sends a request with any body. An error means that no complete answer came: the request may have been carried out.
    pub(crate) async fn send(
        &self,
        method: Method,
        path: &str,
        body: Option<(&str, Vec<u8>)>,
    ) -> Result<Answer> {
        let what = format!("{method} {path}");
        let (status, bytes) = self
            .exchange(method, path, body)
            .await
            .with_context(|| format!("{what} at {}", self.base))?;
        let body = serde_json::from_slice(&bytes).unwrap_or_else(|_| String::from_utf8_lossy(&bytes).into());
        Ok(Answer { status, body })
    }

    /// Sends a request and returns status and raw body.
    async fn exchange(
        &self,
        method: Method,
        path: &str,
        body: Option<(&str, Vec<u8>)>,
    ) -> Result<(u16, Vec<u8>)> {
        let mut request = self.http.request(method, format!("{}{path}", self.base));
        if let Some((content_type, body)) = body {
            request = request.header("content-type", content_type).body(body);
        }
        let response = request.send().await?;
        let status = response.status().as_u16();
        let named = response.headers().contains_key(PRODUCT_HEADER);
        let bytes = response.bytes().await?;
        if (200..300).contains(&status) && !named {
            bail!("a successful answer without the header {PRODUCT_HEADER}");
        }
        Ok((status, bytes.to_vec()))
    }

    /// Sends a JSON body and returns whatever came back.
    pub(crate) async fn json(&self, method: Method, path: &str, body: &Value) -> Result<Answer> {
        self.send(
            method,
            path,
            Some(("application/json", body.to_string().into_bytes())),
        )
        .await
    }

    /// `GET`, which must succeed.
    pub(crate) async fn get(&self, path: &str) -> Result<Value> {
        self.send(Method::GET, path, None)
            .await?
            .success()
            .with_context(|| format!("GET {path}"))
    }

    /// `PUT` with a JSON body, which must succeed.
    pub(crate) async fn put(&self, path: &str, body: &Value) -> Result<Value> {
        self.json(Method::PUT, path, body)
            .await?
            .success()
            .with_context(|| format!("PUT {path}"))
    }

    /// `POST` with a JSON body, which must succeed.
    pub(crate) async fn post(&self, path: &str, body: &Value) -> Result<Value> {
        self.json(Method::POST, path, body)
            .await?
            .success()
            .with_context(|| format!("POST {path}"))
    }

    /// `POST` without a body, which must succeed.
    pub(crate) async fn post_empty(&self, path: &str) -> Result<Value> {
        self.send(Method::POST, path, None)
            .await?
            .success()
            .with_context(|| format!("POST {path}"))
    }

    /// Sends lines to `_bulk`.
    pub(crate) async fn bulk(&self, index: &str, lines: String) -> Result<Answer> {
        self.send(
            Method::POST,
            &format!("/{index}/_bulk"),
            Some(("application/x-ndjson", lines.into_bytes())),
        )
        .await
    }

    /// Searches and returns the raw body, so that sources can be compared byte by byte.
    pub(crate) async fn search_raw(&self, index: &str, body: &Value) -> Result<Vec<u8>> {
        let path = format!("/{index}/_search");
        let body = ("application/json", body.to_string().into_bytes());
        let (status, bytes) = self
            .exchange(Method::POST, &path, Some(body))
            .await
            .with_context(|| format!("POST {path}"))?;
        if status != 200 {
            bail!(
                "POST {path}: status {status}: {}",
                String::from_utf8_lossy(&bytes)
            );
        }
        Ok(bytes)
    }
}
