//! Every byte of the newest fixture is where `docs/formats/oplog.md` says, and the same content is written with the same bytes today.
//!
//! The numbers here are literal on purpose: a reader by the documentation, which shares no code with the crate. When a test fails because the
//! format changes, the format needs a new version (`docs/formats/README.md`).

use std::collections::BTreeMap;
use std::fs;
use std::path::Path;

use twox_hash::{XxHash3_64, XxHash3_128};

use crate::fixture::{DIGEST, fixture};
use crate::scenario::{self, HISTORY_UUID, ROWS};

const NEWEST: &str = "v1";
const BLOCKS: &str = "00000000000000000000.log";

type Files = BTreeMap<String, Vec<u8>>;

fn files(dir: &Path) -> Files {
    let entry = |entry: std::io::Result<fs::DirEntry>| {
        let path = entry.unwrap().path();
        (
            path.file_name().unwrap().to_str().unwrap().to_owned(),
            fs::read(&path).unwrap(),
        )
    };
    fs::read_dir(dir).unwrap().map(entry).collect()
}

fn u16_at(bytes: &[u8], at: usize) -> u16 {
    u16::from_le_bytes(bytes[at..at + 2].try_into().unwrap())
}

fn u32_at(bytes: &[u8], at: usize) -> u64 {
    u64::from(u32::from_le_bytes(bytes[at..at + 4].try_into().unwrap()))
}

fn u64_at(bytes: &[u8], at: usize) -> u64 {
    u64::from_le_bytes(bytes[at..at + 8].try_into().unwrap())
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

/// A frame of a segment: where it begins, and its bytes.
type Found = (u64, Vec<u8>);

/// The frames and markers that follow one another.
fn walk(bytes: &[u8], salt: u64) -> (Vec<Found>, Vec<usize>) {
    let (mut frames, mut markers) = (Vec::new(), Vec::new());
    let mut at = 40;
    while at < bytes.len() {
        if bytes[at..].starts_with(b"\xff\xff\xff\xffSYNC") {
            assert_eq!(u64_at(bytes, at + 8), at as u64);
            assert_eq!(
                u64_at(bytes, at + 24),
                XxHash3_64::oneshot_with_seed(salt, &bytes[at..at + 24])
            );
            let last: &Found = frames.last().unwrap();
            assert_eq!(
                u64_at(bytes, at + 16),
                u64_at(&last.1, 12),
                "everything before it is durable"
            );
            markers.push(at);
            at += 32;
        } else {
            let length = u32_at(bytes, at) as usize;
            frames.push((at as u64, bytes[at..at + length].to_vec()));
            at += length;
        }
    }
    (frames, markers)
}

fn check_frame(bytes: &[u8]) {
    assert_eq!(u32_at(bytes, 0), bytes.len() as u64);
    assert_eq!(u64_at(bytes, 4), XxHash3_64::oneshot(&bytes[12..]));
    let seq_no = u64_at(bytes, 12);
    let (_, superseded, kind, id, source) = ROWS[seq_no as usize];
    assert_eq!(
        u64_at(bytes, 20),
        superseded.map_or(0, |superseded| superseded + 1)
    );
    assert_eq!(u64_at(bytes, 28), if seq_no < 12 { 1 } else { 2 });
    assert_eq!(u64_at(bytes, 44), 1_700_000_000_000 + seq_no);
    let kind_byte = match kind {
        oplog::OperationKind::Index => 1,
        oplog::OperationKind::Delete => 2,
        oplog::OperationKind::NoOp => 3,
    };
    assert_eq!((bytes[52], bytes[53]), (kind_byte, 0));
    let routing = if id == "dö" { "r1" } else { "" };
    assert_eq!(usize::from(u16_at(bytes, 54)), id.len());
    assert_eq!(usize::from(u16_at(bytes, 56)), routing.len());
    assert_eq!(u32_at(bytes, 58), source.len() as u64);
    assert_eq!(&bytes[62..], format!("{id}{routing}{source}").as_bytes());
}

/// Header of a segment; answers first seq_no and salt.
fn check_header(bytes: &[u8], encoding: u8, first: u64) -> u64 {
    assert_eq!(&bytes[..8], b"CCROPLOG");
    assert_eq!(u16_at(bytes, 8), 1);
    assert_eq!(bytes[10..16], [encoding, 0, 0, 0, 0, 0]);
    assert_eq!(u64_at(bytes, 16), first);
    assert_eq!(u64_at(bytes, 32), XxHash3_64::oneshot(&bytes[..32]));
    u64_at(bytes, 24)
}

/// Pages of entries against the frames that they list.
fn check_pages(pages: &[u8], first: u64, frames: &[Found]) {
    assert_eq!(pages.len(), 4096 * frames.len().div_ceil(255));
    for (page, frames) in pages.chunks(4096).zip(frames.chunks(255)) {
        assert_eq!(u64_at(page, 4088), XxHash3_64::oneshot(&page[..4088]));
        for (place, (offset, frame)) in frames.iter().enumerate() {
            assert_eq!(u32_at(page, 16 * place), u64_at(frame, 12) - first);
            assert_eq!(u32_at(page, 16 * place + 4), *offset);
            assert_eq!(u64_at(page, 16 * place + 8), u64_at(frame, 4));
        }
        assert!(page[16 * frames.len()..4088].iter().all(|byte| *byte == 0));
    }
}

/// The frames of a block segment, by its trailer; the last seq_no that it stands for.
fn check_blocks(bytes: &[u8]) -> (Vec<Found>, u64) {
    let salt = check_header(bytes, 1, 0);
    let trailer = &bytes[bytes.len() - 96..];
    assert_eq!(&trailer[..8], b"CCROPEND");
    assert_eq!(u64_at(trailer, 88), XxHash3_64::oneshot(&trailer[..88]));
    assert_eq!((u64_at(trailer, 8), u64_at(trailer, 16)), (salt, 0));
    let [
        last,
        count,
        content_length,
        entries_at,
        table_at,
        blocks,
        table_checksum,
        file_length,
    ] = std::array::from_fn(|place| u64_at(trailer, 24 + 8 * place));
    assert_eq!(file_length, bytes.len() as u64);
    let table = &bytes[table_at as usize..bytes.len() - 96];
    assert_eq!(
        (table.len() as u64, XxHash3_64::oneshot(table)),
        (16 * blocks, table_checksum)
    );
    let mut content = Vec::new();
    for (place, record) in table.chunks(16).enumerate() {
        assert_eq!(u32_at(record, 0), content.len() as u64);
        let start = u32_at(record, 4) as usize;
        assert!(place > 0 || start == 40);
        let end = table.get(16 * place + 16..).filter(|rest| !rest.is_empty());
        let end = end.map_or(entries_at, |next| u32_at(next, 4)) as usize;
        assert_eq!(u64_at(record, 8), XxHash3_64::oneshot(&bytes[start..end]));
        content.extend(zstd::bulk::decompress(&bytes[start..end], 1 << 20).unwrap());
    }
    assert_eq!(content.len() as u64, content_length);
    let with_header = [&[0; 40][..], &content].concat();
    let (frames, markers) = walk(&with_header, salt);
    assert_eq!(markers, [0; 0]);
    let frames: Vec<Found> = frames
        .into_iter()
        .map(|(offset, frame)| (offset - 40, frame))
        .collect();
    assert_eq!(frames.len() as u64, count);
    check_pages(&bytes[entries_at as usize..table_at as usize], 0, &frames);
    (frames, last)
}

/// An index file against its segment; answers the last seq_no.
fn check_index(bytes: &[u8], segment: &[u8], first: u64, frames: &[Found]) -> u64 {
    assert_eq!(&bytes[..8], b"CCROPIDX");
    assert_eq!(u16_at(bytes, 8), 1);
    assert_eq!(bytes[10..16], [0; 6]);
    let [found_first, last, count, length, salt, checksum] =
        std::array::from_fn(|place| u64_at(bytes, 16 + 8 * place));
    assert_eq!((found_first, count), (first, frames.len() as u64));
    assert_eq!((length, salt), (segment.len() as u64, u64_at(segment, 24)));
    assert_eq!(checksum, XxHash3_64::oneshot(&bytes[..56]));
    check_pages(&bytes[64..], first, frames);
    last
}

#[test]
fn every_byte_is_where_the_documentation_says() {
    let mut files = files(&fixture(NEWEST));
    let blocks = files.remove(BLOCKS).unwrap();
    let (mut frames, last) = check_blocks(&blocks);
    let middle_first = last + 1;
    let middle_name = format!("{middle_first:020}");
    let middle = files.remove(&format!("{middle_name}.log")).unwrap();
    let (middle_frames, markers) = walk(&middle, check_header(&middle, 0, middle_first));
    assert!(!markers.is_empty());
    let index = files.remove(&format!("{middle_name}.idx")).unwrap();
    let open_first = check_index(&index, &middle, middle_first, &middle_frames) + 1;
    let open = files.remove(&format!("{open_first:020}.log")).unwrap();
    let (open_frames, markers) = walk(&open, check_header(&open, 0, open_first));
    assert!(!markers.is_empty());
    frames.extend(middle_frames);
    frames.extend(open_frames);
    frames.iter().for_each(|(_, frame)| check_frame(frame));
    let held: Vec<u64> = frames.iter().map(|(_, frame)| u64_at(frame, 12)).collect();
    assert_eq!(held, [1, 2, 7, 8, 9, 10, 11, 12, 13, 14, 15, 16, 17, 18, 19]);
    check_checkpoint(&files.remove("checkpoint").unwrap());
    check_live(&files.remove("live").unwrap(), &frames);
    check_leases(&files.remove("leases").unwrap());
    assert_eq!(
        files.keys().collect::<Vec<_>>(),
        [""; 0],
        "files that the documentation does not name"
    );
}

fn check_checkpoint(bytes: &[u8]) {
    assert_eq!(&bytes[..8], b"CCRCHECK");
    assert_eq!((u16_at(bytes, 8), u16_at(bytes, 10)), (1, 0));
    assert_eq!(u32_at(bytes, 12), 2);
    // Durable as of the flush; the operations behind it came later.
    assert_eq!(
        (u64_at(bytes, 16), u64_at(bytes, 24), u64_at(bytes, 32)),
        (17, 8, 2)
    );
    let end = 48 + u64_at(bytes, 40) as usize;
    assert_eq!(&bytes[48..end], HISTORY_UUID.as_bytes());
    let terms: Vec<u64> = (0..4).map(|place| u64_at(bytes, end + 8 * place)).collect();
    assert_eq!(terms, [1, 0, 2, 12]);
    assert_eq!(bytes.len(), end + 32 + 8);
    assert_eq!(u64_at(bytes, end + 32), XxHash3_64::oneshot(&bytes[..end + 32]));
}

fn digest(frames: &[Found], live: &[u64]) -> u128 {
    let of = |(_, frame): &Found| {
        let seq_no = u64_at(frame, 12);
        let pair = [seq_no.to_le_bytes(), u64_at(frame, 4).to_le_bytes()].concat();
        live.contains(&seq_no).then(|| XxHash3_128::oneshot(&pair))
    };
    frames.iter().filter_map(of).fold(0, u128::wrapping_add)
}

fn check_live(bytes: &[u8], frames: &[Found]) {
    assert_eq!(&bytes[..8], b"CCROLIVE");
    assert_eq!(u16_at(bytes, 8), 1);
    assert_eq!(bytes[10..16], [0; 6]);
    assert_eq!((u64_at(bytes, 16), u64_at(bytes, 24)), (17, 17));
    let live = [2, 7, 10, 12, 13, 14, 15];
    assert_eq!(bytes[32..48], digest(frames, &live).to_le_bytes());
    let end = 56 + u64_at(bytes, 48) as usize;
    // One bitmap for the upper 32 bits 0, in it one array container for the next 16 bits 0.
    let mut bitmap = vec![1, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0];
    bitmap.extend([0x3a, 0x30, 0, 0, 1, 0, 0, 0, 0, 0, 6, 0, 16, 0, 0, 0]);
    bitmap.extend(live.iter().flat_map(|seq_no| (*seq_no as u16).to_le_bytes()));
    assert_eq!(hex(&bytes[56..end]), hex(&bitmap));
    assert_eq!(bytes.len(), end + 8);
    assert_eq!(u64_at(bytes, end), XxHash3_64::oneshot(&bytes[..end]));
    let live_at_last = [2, 10, 12, 13, 14, 15, 17, 18, 19];
    assert_eq!(format!("{:032x}", digest(frames, &live_at_last)), DIGEST);
}

fn check_leases(bytes: &[u8]) {
    let content = concat!(
        r#"{"primary_term":2,"version":3,"leases":["#,
        r#"{"id":"follower-1","retaining_seq_no":12,"timestamp":1700000000000,"source":"ccr"},"#,
        r#"{"id":"follower-2","retaining_seq_no":9,"timestamp":1700000000000,"source":"ccr"}]}"#
    );
    let checksum = XxHash3_64::oneshot(content.as_bytes());
    let expected =
        format!("{{\"format_version\":1,\"checksum\":\"{checksum:016x}\",\"retention_leases\":{content}}}\n");
    assert_eq!(String::from_utf8_lossy(bytes), expected);
}

/// A segment or index without its salt and what is computed from it. Of a block segment without the compressed bytes and where they end,
/// too: another version of zstd may find a shorter form of the same content.
fn without_salt(name: &str, bytes: &[u8]) -> Vec<u8> {
    let mut bytes = bytes.to_vec();
    if name.ends_with(".idx") {
        bytes[48..64].fill(0);
    } else if name == BLOCKS {
        let mut trailer = bytes.split_off(bytes.len() - 96);
        let entries_at = u64_at(&trailer, 48) as usize;
        let table_at = u64_at(&trailer, 56) as usize;
        let mut rest = bytes[entries_at..table_at].to_vec();
        let starts = bytes[table_at..]
            .chunks(16)
            .flat_map(|record| record[..4].to_vec());
        rest.extend(starts);
        // Salt; where entries and table begin; checksum of the table, length and checksum of the file.
        for part in [8..16, 48..64, 72..96] {
            trailer[part].fill(0);
        }
        bytes.truncate(40);
        bytes[24..].fill(0);
        bytes.extend(rest);
        bytes.extend(trailer);
    } else if name.ends_with(".log") {
        let (_, markers) = walk(&bytes, u64_at(&bytes, 24));
        for marker in markers {
            bytes[marker + 24..marker + 32].fill(0);
        }
        bytes[24..40].fill(0);
    }
    bytes
}

#[test]
fn the_same_history_is_written_with_the_same_bytes_today() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("oplog");
    scenario::write(&path).unwrap();
    let (released, today) = (files(&fixture(NEWEST)), files(&path));
    assert_eq!(
        released.keys().collect::<Vec<_>>(),
        today.keys().collect::<Vec<_>>()
    );
    for (name, bytes) in &released {
        assert_eq!(
            hex(&without_salt(name, &today[name])),
            hex(&without_salt(name, bytes)),
            "{name}"
        );
    }
}

#[test]
fn a_frame_is_these_bytes() {
    let frame = scenario::frame(&ROWS[2]);
    let expected = concat!(
        "4a000000",         // length
        "a06b480beab572c7", // checksum
        "0200000000000000", // seq_no
        "0000000000000000", // supersedes nothing
        "0100000000000000", // primary term
        "0100000000000000", // version
        "0268e5cf8b010000", // timestamp
        "0100",             // index, no flags
        "0300",             // length of the id
        "0200",             // length of the routing
        "07000000",         // length of the source
        "64c3b6",           // dö
        "7231",             // r1
        "7b226e223a327d",   // {"n":2}
    );
    assert_eq!(hex(frame.bytes()), expected);
}
