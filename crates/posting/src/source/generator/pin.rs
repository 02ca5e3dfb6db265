//! Generated posts.

use super::dice::Dice;
use super::json::{Row, Value};
use super::persona::{self, Persona};
use super::vocabulary::{ADJECTIVES, AUDIENCES, CYRILLIC, EMOJI, JAPANESE, REASONS, TOPICS, Topic};

/// The form that a post has on the page.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Form {
    Image,
    Video,
    Story,
    /// A story page of which nothing but its address was read.
    Unread,
}

impl Form {
    /// The shares are those of real data, of 2,186: 17 unread, 138 other stories, 66 videos.
    fn roll(dice: &mut Dice) -> Self {
        match dice.below(2186) {
            0..17 => Self::Unread,
            17..155 => Self::Story,
            155..221 => Self::Video,
            _ => Self::Image,
        }
    }

    const fn as_str(self) -> &'static str {
        match self {
            Self::Image => "image",
            Self::Video => "video",
            Self::Story | Self::Unread => "multi-video(story page format)",
        }
    }
}

pub(super) fn row(dice: &mut Dice, offset: i64, persona: &Persona, version: u64) -> Row {
    let topic = topic(dice);
    let form = Form::roll(dice);
    let is_unread = form == Form::Unread;
    let unique_id = uuid(dice);
    let title = title(dice, topic);
    let description = description(dice, topic, form);
    let tags = if is_unread || dice.per_mille(7) {
        "N,o, ,T,a,g,s, ,A,v,a,i,l,a,b,l,e".to_owned()
    } else {
        tags(dice, topic)
    };
    let (image_src, is_downloaded) = image(dice, form);
    let newer_count = persona::follower_count(dice);
    let (poster_name, follower_count) = if is_unread {
        ("User Info Error", "User Info Error")
    } else if version > 0 {
        (&*persona.poster_name, &*newer_count)
    } else {
        (&*persona.poster_name, &*persona.follower_count)
    };
    Row::default()
        .with("index", offset)
        .with("unique_id", unique_id)
        .with(
            "title",
            if is_unread {
                "No Title Data Available".to_owned()
            } else {
                title
            },
        )
        .with("description", description)
        .with("poster_name", poster_name)
        .with("follower_count", follower_count)
        .with("tag_list", tags)
        .with("is_image_or_video", form.as_str())
        .with("image_src", image_src)
        .with(
            "downloaded",
            Value::Raw(u8::from(is_downloaded).to_string()),
        )
        .with(
            "save_location",
            format!("Local save in /data/{}", topic.category),
        )
        .with("category", topic.category)
}

fn topic(dice: &mut Dice) -> &'static Topic {
    let index = usize::try_from(dice.low(TOPICS.len() as u64)).unwrap_or_default();
    TOPICS.get(index).unwrap_or(&TOPICS[0])
}

fn uuid(dice: &mut Dice) -> String {
    let (high, low) = (dice.below(u64::MAX), dice.below(u64::MAX));
    format!(
        "{:08x}-{:04x}-4{:03x}-{:x}{:03x}-{:012x}",
        high >> 32,
        high >> 16 & 0xffff,
        high & 0xfff,
        8 + (low >> 62),
        low >> 48 & 0xfff,
        low & 0xffff_ffff_ffff,
    )
}

fn title(dice: &mut Dice, topic: &Topic) -> String {
    let thing = dice.pick(&topic.things);
    let (adjective, audience) = (dice.pick(&ADJECTIVES), dice.pick(&AUDIENCES));
    let mut title = match dice.below(4) {
        0 => format!("{} {adjective} {thing} for {audience}", dice.between(5, 50)),
        1 => format!("{adjective} {thing}: \"What I Wish I Knew\""),
        2 => format!("How to Love {thing} ({audience} Welcome)"),
        _ => format!("{thing}, the {adjective} Way"),
    };
    match dice.below(1000) {
        0..10 => title = format!("{title} {}", dice.pick(&EMOJI)),
        10..13 => title = format!("{} | {title}", dice.pick(&CYRILLIC)),
        13..15 => title = format!("{} {title}", dice.pick(&JAPANESE)),
        15..18 => title = title.replacen(' ', "\n", 1),
        18..20 => title.push('\n'),
        20..22 => title.push(' '),
        _ => {}
    }
    title
}

fn description(dice: &mut Dice, topic: &Topic, form: Form) -> String {
    match form {
        Form::Story | Form::Unread => return "No description available Story format".to_owned(),
        Form::Image | Form::Video if dice.per_mille(16) => {
            return "No description available".to_owned();
        }
        Form::Image | Form::Video if dice.per_mille(2) => return "Untitled".to_owned(),
        Form::Image | Form::Video => {}
    }
    let (reason, thing) = (dice.pick(&REASONS), dice.pick(&topic.things));
    // The site cuts long descriptions off, and leaves a no-break space behind the dots.
    match dice.below(1000) {
        0..390 => format!("{thing}. {reason}, and so should you before the next\u{2026}\u{a0}"),
        390..402 => format!("{thing}. {reason} because\u{2026}"),
        402..600 => format!(
            "{reason}. More about {thing} in \u{201c}{}\u{201d}.",
            topic.category
        ),
        _ => format!("{thing}! {reason}."),
    }
}

fn tags(dice: &mut Dice, topic: &Topic) -> String {
    let mut tags = String::from(topic.category);
    for _ in 0..dice.between(2, 6) {
        tags.push(',');
        tags.push_str(dice.pick(&topic.things));
    }
    tags
}

/// Returns the picture's address, and whether the picture was saved.
fn image(dice: &mut Dice, form: Form) -> (String, bool) {
    let is_missing = form == Form::Unread || (form == Form::Story && dice.per_mille(268));
    if is_missing {
        let full_stop = if dice.one_in(12) { "" } else { "." };
        return (format!("Image src error{full_stop}"), false);
    }
    if form != Form::Image {
        return (
            "https://pictures.example/videos/thumbnails/default.jpg".to_owned(),
            true,
        );
    }
    let name = format!("{:016x}{:016x}", dice.below(u64::MAX), dice.below(u64::MAX));
    (
        format!("https://pictures.example/originals/{name}.jpg"),
        true,
    )
}
