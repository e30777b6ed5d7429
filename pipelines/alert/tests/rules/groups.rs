//! Keys of routes and groups, partitions, and the order in a message.

use alert::{
    GroupHash, GroupId, GroupKey, LabelSet, MatchOp, Matcher, Matchers, compare_for_notification, group_key,
    partition_for, route_key, sort_key,
};

use crate::labels::labels;

#[test]
fn keys_are_alertmanagers() {
    let root = route_key("", &Matchers::default());
    assert_eq!(root, "{}");
    let mut matchers: Matchers = [
        Matcher::new(MatchOp::Regex, "owner", "^(?:team-(B|C))$"),
        Matcher::new(MatchOp::Equal, "env", "prod"),
    ]
    .into_iter()
    .collect::<Result<_, _>>()
    .unwrap();
    matchers.sort();
    let child = route_key(&root, &matchers);
    assert_eq!(child, r#"{}/{env="prod",owner=~"^(?:team-(B|C))$"}"#);
    let team = Matchers(vec![Matcher::new(MatchOp::Equal, "team", "db").unwrap()]);
    let rows = [
        (root.clone(), "alertname=X", r#"{}:{alertname="X"}"#),
        (root.clone(), "", "{}:{}"),
        (
            route_key(&root, &team),
            "cluster=eu alertname=X",
            r#"{}/{team="db"}:{alertname="X", cluster="eu"}"#,
        ),
        (
            route_key(&route_key(&root, &team), &Matchers::default()),
            "",
            r#"{}/{team="db"}/{}:{}"#,
        ),
    ];
    for (route, group_labels, key) in rows {
        assert_eq!(group_key(&route, &labels(group_labels)).as_str(), key);
    }
}

#[test]
fn a_group_id_holds_the_key_and_the_ordinal() {
    let keys = [
        "{}:{}".to_owned(),
        group_key("{}", &LabelSet::from([("a", "}#7")])).0,
        r#"{}:{a="x#3"}"#.to_owned(),
    ];
    for key in keys.map(GroupKey) {
        for (ordinal, suffix) in [(0, ""), (1, "#1"), (u32::MAX, "#4294967295")] {
            let id = GroupId::new(key.clone(), ordinal);
            assert_eq!(id.as_str(), format!("{key}{suffix}"));
            assert_eq!((id.group_key(), id.ordinal()), (key.clone(), ordinal));
        }
    }
}

#[test]
fn hash_and_partition_stay_as_they_are() {
    // A change of any of these would move every group: the values are part of the layout.
    let id = GroupId::new(GroupKey("{}:{}".into()), 0);
    let hash = id.hash();
    assert_eq!(hash.to_string().parse(), Ok(hash));
    // xxHash's published values for no input at all.
    assert_eq!(
        GroupId(String::new()).hash().to_string(),
        "99aa06d3014798d86001c324468d497f"
    );
    assert_eq!(
        u64::from(partition_for(b"", u32::MAX)),
        0x2d06_8005_38d3_94c2 % u64::from(u32::MAX)
    );
    assert_eq!(partition_for(id.as_str().as_bytes(), 16), id.partition(16));
    assert_eq!((id.partition(1), id.partition(0)), (0, 0));
    for text in [
        "",
        "+9aa06d3014798d86001c324468d497f",
        "99AA06D3014798D86001C324468D497",
        "zz",
    ] {
        assert!(text.parse::<GroupHash>().is_err(), "{text}");
    }
}

#[test]
fn partitions_are_even() {
    let mut counts = [0_u32; 16];
    for i in 0..16_000 {
        let partition = partition_for(format!("{{}}:{{alertname=\"A{i}\"}}").as_bytes(), 16);
        counts[usize::try_from(partition).unwrap()] += 1;
    }
    assert!(counts.iter().all(|count| (850..1_150).contains(count)), "{counts:?}");
}

#[test]
fn alerts_of_a_message_are_ordered_by_job_instance_and_labels() {
    let ordered = [
        "job=a instance=1 zz=1 yy=1",
        "job=a instance=2",
        "job=a x=1",
        "job=b instance=1",
        "instance=1",
        "instance=2",
        "",
        "b=1",
        "a=1",
        "a=2",
        "a=1 b=1",
    ];
    let mut shuffled: Vec<_> = ordered.iter().rev().map(|text| labels(text)).collect();
    shuffled.sort_by(compare_for_notification);
    assert_eq!(shuffled, ordered.map(labels));
    assert!(sort_key(&labels("job=a")) < sort_key(&labels("")));
}
