//! Forms by which a node catches up: what peers have, and decided blocks.

use arc_malachitebft_app_channel::app::types::{
    PeerId,
    sync::{RawDecidedValue, Request, Response, Status},
};
use arc_malachitebft_sync::{ValueRequest, ValueResponse};
use bytes::Bytes;
use minicbor::{Decode, Encode};
use protocol::{
    cbor::{self, Element},
    commit::CommitCertificate,
};

use super::{CodecError, Written};
use crate::consensus::{
    context::{self, Context},
    part::bytes_as_cbor,
    sync::SYNC_BLOCKS_MAX,
    words::Height,
};

/// What a peer has.
#[derive(Encode, Decode)]
#[cbor(array)]
pub(in crate::consensus) struct StatusForm {
    #[n(0)]
    #[cbor(with = "minicbor::bytes")]
    peer_id: Vec<u8>,
    #[n(1)]
    tip: u64,
    #[n(2)]
    history_start: u64,
}

impl Written for Status<Context> {
    type Form = StatusForm;

    fn form(&self) -> Result<StatusForm, CodecError> {
        let (tip, history_start) = (self.tip_height.0, self.history_min_height.0);
        Ok(StatusForm { peer_id: self.peer_id.to_bytes(), tip, history_start })
    }

    fn read(form: StatusForm) -> Result<Self, CodecError> {
        Ok(Status {
            peer_id: PeerId::from_bytes(&form.peer_id).map_err(|error| CodecError::PeerId(error.to_string()))?,
            tip_height: Height(form.tip),
            history_min_height: Height(form.history_start),
        })
    }
}

/// Asks for decided blocks, from the first height to the last.
#[derive(Encode, Decode)]
pub(in crate::consensus) enum RequestForm {
    #[n(0)]
    Blocks(#[n(0)] u64, #[n(1)] u64),
}

impl Written for Request<Context> {
    type Form = RequestForm;

    fn form(&self) -> Result<RequestForm, CodecError> {
        let Request::ValueRequest(request) = self;
        Ok(RequestForm::Blocks(request.range.start().0, request.range.end().0))
    }

    fn read(RequestForm::Blocks(first, last): RequestForm) -> Result<Self, CodecError> {
        Ok(Request::ValueRequest(ValueRequest::new(Height(first)..=Height(last))))
    }
}

/// Decided blocks, from a height on.
#[derive(Encode, Decode)]
pub(in crate::consensus) enum ResponseForm {
    #[n(0)]
    Blocks(
        #[n(0)] u64,
        #[n(1)]
        #[cbor(decode_with = "cbor::list::<_, _, SYNC_BLOCKS_MAX>")]
        Vec<DecidedForm>,
    ),
}

/// A decided block.
#[derive(Encode, Decode)]
#[cbor(array)]
pub(in crate::consensus) struct DecidedForm {
    #[n(0)]
    certificate: CommitCertificate,
    #[n(1)]
    #[cbor(with = "bytes_as_cbor")]
    body: Bytes,
}

impl Element for DecidedForm {
    const BYTES_MIN: usize = 40;
}

impl Written for Response<Context> {
    type Form = ResponseForm;

    fn form(&self) -> Result<ResponseForm, CodecError> {
        let Response::ValueResponse(response) = self;
        let blocks = response.values.iter().map(|value| {
            let certificate = context::certificate(&value.certificate.trim_vote_extensions());
            Ok(DecidedForm { certificate: certificate.ok_or(CodecError::NoRound)?, body: value.value_bytes.clone() })
        });
        Ok(ResponseForm::Blocks(response.start_height.0, blocks.collect::<Result<_, CodecError>>()?))
    }

    fn read(ResponseForm::Blocks(start, blocks): ResponseForm) -> Result<Self, CodecError> {
        let values = blocks
            .into_iter()
            .map(|block| RawDecidedValue::new(block.body, context::engine_certificate(block.certificate)));
        Ok(Response::ValueResponse(ValueResponse::new(Height(start), values.collect())))
    }

    fn certificates(&self) -> Vec<CommitCertificate> {
        let Response::ValueResponse(response) = self;
        let certificates = response.values.iter().map(|value| value.certificate.trim_vote_extensions());
        certificates.filter_map(|certificate| context::certificate(&certificate)).collect()
    }
}
