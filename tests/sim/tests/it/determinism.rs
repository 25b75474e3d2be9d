//! A seed fixes a run.

use sim::{Plan, run};

#[test]
fn equal_seeds_give_equal_runs_and_others_do_not() {
    for seed in 1000..1008 {
        let trace = |seed| {
            run(&Plan::of(seed))
                .map(|report| report.trace)
                .map_err(|failure| failure.to_string())
        };
        let first = trace(seed).unwrap_or_else(|failure| panic!("{failure}"));
        assert_eq!(Ok(&first), trace(seed).as_ref());
        assert_ne!(Some(first.hash()), trace(seed + 4).ok().map(|other| other.hash()));
    }
}
