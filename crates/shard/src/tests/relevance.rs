//! Scores, against the formula computed over the documents.

use std::collections::BTreeMap;

use super::*;

/// Words of a text as the analyzer of the test's fields makes them.
fn words(text: &str) -> Vec<&str> {
    text.split(' ').filter(|word| !word.is_empty()).collect()
}

/// The lengths that Lucene's one byte holds: exact to 24, above by four bits.
fn held(length: usize) -> f64 {
    let Some(more) = length.checked_sub(24) else {
        return length as f64;
    };
    let mut step = 1;
    while more / step >= 16 {
        step *= 2;
    }
    (24 + more / step * step) as f64
}

/// One field of some documents.
struct Model {
    texts: Vec<Option<String>>,
}

impl Model {
    fn documents(&self) -> f64 {
        self.texts.iter().flatten().count() as f64
    }

    fn idf(&self, word: &str) -> f64 {
        let with = |text: &&String| words(text).contains(&word);
        let with = self.texts.iter().flatten().filter(with).count() as f64;
        (1.0 + (self.documents() - with + 0.5) / (with + 0.5)).ln()
    }

    fn formula(&self, idf: f64, frequency: usize, length: usize) -> f64 {
        let tokens: usize = self.texts.iter().flatten().map(|text| words(text).len()).sum();
        let average = tokens as f64 / self.documents();
        let frequency = frequency as f64;
        idf * 2.2 * frequency / (frequency + 1.2 * (0.25 + 0.75 * held(length) / average))
    }

    /// The sum over the query's words, by the document's number.
    fn match_scores(&self, query: &str) -> BTreeMap<String, f64> {
        self.scores(|text| {
            let of_word = |word: &&str| {
                let frequency = words(text).iter().filter(|other| *other == word).count();
                (frequency > 0).then(|| self.formula(self.idf(word), frequency, words(text).len()))
            };
            let found: Vec<f64> = words(query).iter().filter_map(of_word).collect();
            (!found.is_empty()).then(|| found.iter().sum())
        })
    }

    fn phrase_scores(&self, phrase: &str) -> BTreeMap<String, f64> {
        let phrase = words(phrase);
        let idf = phrase.iter().map(|word| self.idf(word)).sum();
        self.scores(|text| {
            let text = words(text);
            let frequency = text
                .windows(phrase.len())
                .filter(|window| *window == phrase)
                .count();
            (frequency > 0).then(|| self.formula(idf, frequency, text.len()))
        })
    }

    fn scores(&self, score: impl Fn(&str) -> Option<f64>) -> BTreeMap<String, f64> {
        let texts = self.texts.iter().enumerate();
        texts
            .filter_map(|(number, text)| Some((number.to_string(), score(text.as_ref()?)?)))
            .collect()
    }
}

/// Texts of few different words, of very different lengths; some documents have none.
fn model(count: usize) -> Model {
    let vocabulary = ["red", "green", "blue", "fox", "dog", "quick", "lazy", "brown"];
    let mut state = 7_u64;
    let mut next = move |limit: usize| {
        state = state
            .wrapping_mul(6_364_136_223_846_793_005)
            .wrapping_add(1_442_695_040_888_963_407);
        (state >> 33) as usize % limit
    };
    let mut text = || {
        let length = [0, 1, 2, 3, 5, 8, 30, 45, 200][next(9)];
        (length > 0).then(|| {
            let words = (0..length).map(|_| vocabulary[next(8).min(next(8))]);
            words.collect::<Vec<_>>().join(" ")
        })
    };
    Model {
        texts: (0..count).map(|_| text()).collect(),
    }
}

fn check(fixture: &Fixture, query: &Value, expected: &BTreeMap<String, f64>) {
    let request = SearchRequest::from_json(&json!({"query": query, "size": 1_000})).unwrap();
    let hits = fixture.shard.search(&request).unwrap();
    let fetched = fixture.shard.fetch(&hits.hits, &request).unwrap();
    assert_eq!(hits.hits.len(), expected.len(), "{query}");
    let mut before = f32::INFINITY;
    for (hit, document) in hits.hits.iter().zip(&fetched) {
        let (score, wanted) = (hit.score.unwrap(), expected[&document.id]);
        assert!(
            (f64::from(score) - wanted).abs() < wanted * 1e-5,
            "{query}: {} scores {score}, not {wanted}",
            document.id
        );
        assert!(score <= before, "{query}");
        before = score;
    }
}

#[test]
fn scores_are_those_of_the_formula() {
    let model = model(300);
    let fixture = Fixture::primary();
    // In several segments: what counts is the whole shard.
    for (start, part) in (0..).step_by(100).zip(model.texts.chunks(100)) {
        let writes = (start..).zip(part).map(|(number, text)| {
            let source = match text {
                Some(text) => json!({"title": text, "n": number}),
                None => json!({"n": number}),
            };
            index(&number.to_string(), &source)
        });
        write(&fixture.shard, writes.collect());
        fixture.shard.refresh().wait().unwrap();
    }
    for text in ["fox", "red", "brown dog", "quick lazy brown fox", "nothing"] {
        check(
            &fixture,
            &json!({"match": {"title": text}}),
            &model.match_scores(text),
        );
    }
    for text in ["red red", "red green", "green red fox"] {
        let expected = model.phrase_scores(text);
        assert!(!expected.is_empty(), "{text}");
        check(&fixture, &json!({"match_phrase": {"title": text}}), &expected);
    }
    // A second search takes the statistics from memory.
    check(
        &fixture,
        &json!({"match": {"title": "fox"}}),
        &model.match_scores("fox"),
    );
}

#[test]
fn values_of_a_field_are_as_long_as_all_of_them_together() {
    let fixture = Fixture::primary();
    let filler = json!({"title": ["w w w", "w fox"], "user": {"name": "x"}});
    load(
        &fixture.shard,
        &[json!({"title": "fox w w w w"}), filler, json!({"title": "fox"})],
    );
    let hits = search(&fixture.shard, &json!({"query": {"match": {"title": "fox"}}})).hits;
    assert_eq!(hits[0].seq_no, SeqNo::new(2));
    assert_eq!(hits[1].score, hits[2].score);
}

#[test]
fn fields_do_not_count_for_each_other() {
    let fixture = Fixture::primary();
    let mut sources = vec![json!({"title": "fox", "tag": "fox"})];
    sources.extend((0..20).map(|number| json!({"tag": format!("t{number}")})));
    load(&fixture.shard, &sources);
    let score = |query: Value| {
        search(&fixture.shard, &json!({"query": query}))
            .max_score
            .unwrap()
    };
    // All documents that have a title have a fox in it; of those with a tag one of 21 does.
    let in_title = score(json!({"match": {"title": "fox"}}));
    assert!((in_title - (1.0_f32 + 0.5 / 1.5).ln()).abs() < 1e-6, "{in_title}");
    let in_tag = score(json!({"term": {"tag": "fox"}}));
    assert!((in_tag - (1.0_f32 + 20.5 / 1.5).ln()).abs() < 1e-6, "{in_tag}");
}

#[test]
fn a_field_without_norms_is_equally_long_everywhere() {
    let mapping = json!({"properties": {"title": {"type": "text", "norms": false}}});
    let dir = tempfile::tempdir().unwrap();
    let shard = Shard::create(
        ShardConfig {
            mapping: Arc::new(Mapping::from_json(&mapping).unwrap()),
            ..config(dir.path(), ShardRole::Primary)
        },
        HistoryUuid::generate(),
        services(small_pool()),
    )
    .unwrap();
    load(
        &shard,
        &[
            json!({"title": "fox"}),
            json!({"title": "fox and some more words"}),
        ],
    );
    let hits = search(&shard, &json!({"query": {"match": {"title": "fox"}}})).hits;
    assert_eq!(hits[0].score, hits[1].score);
}

#[test]
fn the_unwanted_counts_less_and_enough_terms_count() {
    let fixture = Fixture::primary();
    load(
        &fixture.shard,
        &[
            json!({"title": "apple pie", "tag": ["a", "b"], "n": 2}),
            json!({"title": "apple tree", "tag": ["a", "c"], "n": 2}),
            json!({"title": "apple", "tag": ["a", "b", "c"], "n": 1}),
            json!({"title": "apple", "tag": ["a", "b", "c"]}),
        ],
    );
    let score = |query: &Value, id: u64| {
        let hits = search(&fixture.shard, &json!({"query": query})).hits;
        hits.iter()
            .find(|hit| hit.seq_no == SeqNo::new(id))
            .map(|hit| hit.score.unwrap())
    };
    let apple = json!({"match": {"title": "apple"}});
    let boosting = json!({"boosting": {"positive": apple, "negative": {"term": {"title": "pie"}}, "negative_boost": 0.5}});
    assert_eq!(score(&boosting, 0), score(&apple, 0).map(|score| score * 0.5));
    assert_eq!(score(&boosting, 1), score(&apple, 1));
    let enough = |minimum: Value| {
        let mut query = json!({"terms": ["a", "b"]});
        query
            .as_object_mut()
            .unwrap()
            .extend(minimum.as_object().unwrap().clone());
        ids(
            &fixture.shard,
            &json!({"query": {"terms_set": {"tag": query}}, "sort": "_seq_no"}),
        )
    };
    assert_eq!(enough(json!({"minimum_should_match_field": "n"})), ["0", "2"]);
    assert_eq!(enough(json!({"minimum_should_match": 2})), ["0", "2", "3"]);
}

#[test]
fn scored_queries_are_shown_as_people_write_them() {
    use crate::relevance::{FieldOf, ScoredPhrase, ScoredTerm};
    let fixture = Fixture::primary();
    let schema = fixture.shard.view.schema();
    let term = |text: &str| {
        let mut term = tantivy::Term::from_field_json_path(schema.text, "user.title", true);
        term.append_type_and_str(text);
        term
    };
    let field = FieldOf::Text("user.title".into());
    let one = ScoredTerm {
        term: term("fox"),
        field: field.clone(),
        schema: Arc::clone(schema),
        statistics: Arc::default(),
    };
    assert_eq!(format!("{one:?}"), "user.title:fox");
    let phrase = ScoredPhrase {
        terms: vec![(0, term("red")), (1, term("fox"))],
        slop: 2,
        field,
        schema: Arc::clone(schema),
        statistics: Arc::default(),
    };
    assert_eq!(format!("{phrase:?}"), "\"user.title:red user.title:fox\"~2");
}
