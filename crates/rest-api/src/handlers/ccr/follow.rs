//! `PUT /{index}/_ccr/follow`: creates a follower index.

use ccr::{FollowRequest, WaitForActiveShards};
use es_exception::Exception;
use index_meta::Settings;
use serde_json::{Value, json};

use super::parameters::take_parameters;
use crate::call::Call;
use crate::json_body::{refuse_rest, take_object, take_string};
use crate::reply::Reply;

/// Starts to follow a leader index.
pub(crate) async fn follow(call: Call) -> Result<Reply, Exception> {
    let wait_for_active_shards = parse_wait_for_active_shards(call.params.text("wait_for_active_shards"))?;
    let mut body = call.required_object()?;
    let parameters = take_parameters(&mut body)?;
    let request = FollowRequest {
        follower_index: call.index().to_owned(),
        remote_cluster: take_string(&mut body, "remote_cluster")?,
        leader_index: take_string(&mut body, "leader_index")?,
        data_stream_name: take_string(&mut body, "data_stream_name")?,
        settings: match take_object(&mut body, "settings")? {
            Some(settings) => {
                Settings::from_json(&Value::Object(settings)).map_err(|error| error.to_exception())?
            }
            None => Settings::new(),
        },
        parameters,
        wait_for_active_shards,
    };
    refuse_rest(&body, "put_follow")?;
    let response = call.state.ccr().follow(request).await?;
    Reply::ok(&json!({
        "follow_index_created": response.follow_index_created,
        "follow_index_shards_acked": response.follow_index_shards_acked,
        "index_following_started": response.index_following_started,
    }))
}

/// Source: unlike in create index, absent means 0 here.
fn parse_wait_for_active_shards(text: Option<&str>) -> Result<WaitForActiveShards, Exception> {
    match text {
        None => Ok(WaitForActiveShards::None),
        Some("all") => Ok(WaitForActiveShards::All),
        Some(text) => match text.parse::<u32>() {
            Ok(0) => Ok(WaitForActiveShards::None),
            Ok(count) => Ok(WaitForActiveShards::Count(count)),
            Err(_) => Err(Exception::illegal_argument(format!(
                "cannot parse [wait_for_active_shards] with value [{text}]: it must be [all] or a number that is not negative"
            ))),
        },
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn active_shards_are_a_number_or_all() {
        let cases = [
            (None, Some(WaitForActiveShards::None)),
            (Some("0"), Some(WaitForActiveShards::None)),
            (Some("1"), Some(WaitForActiveShards::Count(1))),
            (Some("all"), Some(WaitForActiveShards::All)),
            (Some("-1"), None),
            (Some("ALL"), None),
            (Some("index-setting"), None),
        ];
        for (text, expected) in cases {
            assert_eq!(parse_wait_for_active_shards(text).ok(), expected, "{text:?}");
        }
    }
}
