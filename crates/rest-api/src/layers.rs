//! What surrounds every request: compressed bodies, both ways, and pages from other origins.

use axum::Router;
use http::header::ACCEPT_ENCODING;
use http::{HeaderValue, Method, Request};
use tower::util::MapRequestLayer;
use tower_http::compression::CompressionLayer;
use tower_http::cors::{AllowOrigin, CorsLayer};
use tower_http::decompression::RequestDecompressionLayer;

use crate::config::{CorsConfig, RestConfig};

/// The router with everything around it that `config` asks for.
///
/// A compressed body is taken apart as it is read, so its limit is that of what comes out.
pub(crate) fn with_layers(router: Router, config: &RestConfig) -> Router {
    // An encoding that is not known passes, to be refused with an error that says so.
    let router = router.layer(RequestDecompressionLayer::new().pass_through_unaccepted(true));
    let router = match config.compression {
        true => router
            .layer(CompressionLayer::new())
            .layer(MapRequestLayer::new(uncompressed_head)),
        false => router,
    };
    match &config.cors {
        Some(cors) => router.layer(cors_layer(cors)),
        None => router,
    }
}

/// The answer to HEAD has no body that a client could take apart: some try all the same when it is said to be compressed.
fn uncompressed_head<B>(mut request: Request<B>) -> Request<B> {
    if request.method() == Method::HEAD {
        request.headers_mut().remove(ACCEPT_ENCODING);
    }
    request
}

fn cors_layer(config: &CorsConfig) -> CorsLayer {
    let any = HeaderValue::from_static("*");
    let allow_origin = if config.allow_origin.contains(&any) {
        AllowOrigin::any()
    } else {
        AllowOrigin::list(config.allow_origin.clone())
    };
    CorsLayer::new()
        .allow_origin(allow_origin)
        .allow_methods(config.allow_methods.clone())
        .allow_headers(config.allow_headers.clone())
        .allow_credentials(config.allow_credentials)
        .max_age(config.max_age)
}
