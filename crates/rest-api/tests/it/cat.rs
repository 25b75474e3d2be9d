//! The cat APIs.

use serde_json::json;

use crate::node::Node;

#[tokio::test]
async fn tables_are_text_or_json() {
    let node = Node::start().await;
    node.put(
        "/b",
        r#"{"settings": {"number_of_replicas": 0}, "aliases": {"x": {"is_write_index": true}}}"#,
    )
    .await
    .expect(200);
    node.put("/a", r#"{"settings": {"number_of_replicas": 0}}"#)
        .await
        .expect(200);
    node.put("/a/_doc/1?refresh", "{}").await.expect(201);

    let text = node
        .get("/_cat/indices?h=health,status,index,pri,rep,docs.count&v&s=index:desc")
        .await
        .text();
    assert_eq!(
        text,
        "health status index pri rep docs.count\ngreen  open   b       1   0          0\ngreen  open   a       1   0          1\n"
    );
    let json = node
        .get("/_cat/indices/a?format=json&h=index,status")
        .await
        .expect(200);
    assert_eq!(json, json!([{"index": "a", "status": "open"}]));
    let excluded = node
        .get("/_cat/indices/*,-b?h=i&expand_wildcards=open,closed")
        .await
        .text();
    assert_eq!(excluded, "a\n");
    assert_eq!(
        node.get("/_cat/shards/a?h=index,shard,prirep,state,docs,node")
            .await
            .text(),
        "a 0 p STARTED 1 node-1\n"
    );
    assert_eq!(node.get("/_cat/count/a?h=count").await.text(), "1\n");
    assert_eq!(
        node.get("/_cat/health?h=cluster,status,pri").await.text(),
        "leader green 2\n"
    );
    assert_eq!(node.get("/_cat/nodes?h=name,master").await.text(), "node-1 *\n");
    assert_eq!(
        node.get("/_cat/aliases?v&h=alias,index,is_write_index")
            .await
            .text(),
        "alias index is_write_index\nx     b     true\n"
    );
    assert!(node.get("/_cat/shards?help").await.text().contains("prirep"));
    node.get("/_cat/indices?s=nonsense")
        .await
        .refused(400, "illegal_argument_exception");
    node.get("/_cat/indices/none")
        .await
        .refused(404, "index_not_found_exception");
}

#[tokio::test]
async fn every_table_takes_the_common_parameters() {
    let node = Node::start().await;
    node.put("/orders", r#"{"settings": {"number_of_replicas": 1}}"#)
        .await
        .expect(200);
    let listed = node.get("/_cat").await.text();
    let mut lines = listed.lines();
    assert_eq!(lines.next(), Some("=^.^="));
    let mut tables = 0;
    for path in lines.filter(|path| !path.contains('{')) {
        tables += 1;
        let help = node.get(&format!("{path}?help")).await.text();
        let name = help.split('|').next().unwrap().trim().to_owned();
        let header = node
            .get(&format!("{path}?v&h={name}&s={name}:desc&time=s&bytes=b"))
            .await;
        assert!(header.text().starts_with(&name), "{path}: {}", header.text());
        let json = node.get(&format!("{path}?format=json&h=*")).await.expect(200);
        assert!(json.is_array(), "{path}: {json}");
        let reason = node
            .get(&format!("{path}?s=nonsense"))
            .await
            .refused(400, "illegal_argument_exception");
        assert!(reason.contains("[nonsense]"), "{path}: {reason}");
        for query in ["time=fortnight", "bytes=parsec"] {
            node.get(&format!("{path}?{query}"))
                .await
                .refused(400, "illegal_argument_exception");
        }
    }
    assert_eq!(tables, 16, "{listed}");
}

#[tokio::test]
async fn tables_tell_of_the_node() {
    let node = Node::start().await;
    node.put("/orders", r#"{"settings": {"number_of_replicas": 1}}"#)
        .await
        .expect(200);
    node.until("/_cluster/health?wait_for_status=yellow", |_| true)
        .await;
    for (path, expected) in [
        ("/_cat/master?h=node", "node-1\n"),
        ("/_cat/plugins", ""),
        ("/_cat/nodeattrs", ""),
        ("/_cat/pending_tasks", ""),
        ("/_cat/allocation?h=shards,node", "1 node-1\n1 UNASSIGNED\n"),
        ("/_cat/allocation/_local?h=shards,node", "1 node-1\n"),
        (
            "/_cat/thread_pool?h=n,active",
            "force_merge 0\nsearch      0\nwrite       0\n",
        ),
        (
            "/_cat/thread_pool/write?h=queue,rejected,queue_size,type",
            "0 0 -1 fixed\n",
        ),
        ("/_cat/nodes?h=master,role,name", "* dimr node-1\n"),
        ("/_cat/thread_pool/w*,x?h=name", "write\n"),
        ("/_cat/tasks?actions=nothing", ""),
    ] {
        assert_eq!(node.get(path).await.text(), expected, "{path}");
    }
    let text = async |path: &str| node.get(path).await.text();
    let (short, full) = (
        text("/_cat/nodes?h=id").await,
        text("/_cat/nodes?h=id&full_id").await,
    );
    assert!(
        short.trim().len() == 4 && full.starts_with(short.trim()),
        "{short} {full}"
    );
    let disk = text("/_cat/nodes?h=dt,du,disk&bytes=b").await;
    let sizes: Vec<u64> = disk
        .split_whitespace()
        .map(|size| size.parse().unwrap())
        .collect();
    assert!(sizes[0] > 0 && sizes[0] == sizes[1] + sizes[2], "{disk}");
    let percent = text("/_cat/nodes?h=diskUsedPercent").await;
    let (_, decimals) = percent.trim().split_once('.').unwrap();
    assert!(decimals.len() == 2 && percent.trim().parse::<f64>().unwrap() <= 100.0);
    if cfg!(target_os = "linux") {
        let machine = text("/_cat/nodes?h=pid,ram.percent,load_1m,load_5m,load_15m,file_desc.current").await;
        assert_eq!(machine.split_whitespace().count(), 6, "{machine}");
    }
    assert!(
        text("/_cat/tasks?h=action")
            .await
            .contains("cluster:monitor/tasks/lists")
    );
    let slow = "/orders/_update_by_query?scroll_size=1&requests_per_second=0.0001&wait_for_completion=false";
    for n in 0..2 {
        node.put(&format!("/orders/_doc/{n}?refresh"), "{}")
            .await
            .expect(201);
    }
    let id = node.post(slow, "").await.expect(200)["task"]
        .as_str()
        .unwrap()
        .to_owned();
    let task = node
        .get("/_cat/tasks?detailed&actions=indices:*&h=action,task_id,type,description")
        .await
        .text();
    assert_eq!(
        task,
        format!("indices:data/write/update/byquery {id} transport update-by-query [orders]\n")
    );
}

#[tokio::test]
async fn aliases_of_hidden_indices_are_told_unless_others_are_asked_for() {
    let node = Node::start().await;
    node.put(
        "/secret",
        r#"{"settings": {"index.hidden": true}, "aliases": {"alias": {"is_hidden": true}}}"#,
    )
    .await
    .expect(200);
    for (query, expected) in [
        ("", "alias secret\n"),
        ("&expand_wildcards=open,closed", ""),
        ("&expand_wildcards=all", "alias secret\n"),
    ] {
        let path = format!("/_cat/aliases?h=alias,index{query}");
        assert_eq!(node.get(&path).await.text(), expected, "{query}");
    }
}
