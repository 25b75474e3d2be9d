//! Pause, resume and unfollow: they answer `acknowledged`.

use es_exception::Exception;

use super::parameters::take_parameters;
use crate::call::Call;
use crate::json_body::refuse_rest;
use crate::reply::Reply;

/// `POST /{index}/_ccr/pause_follow`: ends the follow tasks of an index.
pub(crate) async fn pause_follow(call: Call) -> Result<Reply, Exception> {
    call.state.ccr().pause_follow(call.index()).await?;
    call.acknowledged()
}

/// `POST /{index}/_ccr/resume_follow`: starts them again. The body is optional.
pub(crate) async fn resume_follow(call: Call) -> Result<Reply, Exception> {
    let mut body = call.object()?.unwrap_or_default();
    let parameters = take_parameters(&mut body)?;
    refuse_rest(&body, "resume_follow")?;
    call.state.ccr().resume_follow(call.index(), parameters).await?;
    call.acknowledged()
}

/// `POST /{index}/_ccr/unfollow`: turns a paused and closed follower into an ordinary index.
pub(crate) async fn unfollow(call: Call) -> Result<Reply, Exception> {
    call.state.ccr().unfollow(call.index()).await?;
    call.acknowledged()
}
