"""What is wrong with a policy and its replies before the first mail comes: `rsvpd check` prints it."""

from __future__ import annotations

import difflib
import functools
import re
import tomllib
from collections.abc import Iterator
from dataclasses import dataclass
from importlib import resources

from gateway.affiliation import fold
from gateway.cases import INVITES
from gateway.errors import BadTemplate
from gateway.model import NoteKind, Reply, Signal
from gateway.networks import networks
from gateway.policy import Policy
from gateway.reply import LONGEST_SHORT, Replies
from gateway.rules import SWITCHES, PolicySettings, Rule, When, preset

_LONGEST_MAIL = 4 * 1024  # characters; an answer is brief (RFC 3834 section 3.2)
_HOLE = re.compile(r"\{[{%].*?[}%]\}")
_ONE_OF = ("kind", "network", "known", "signals", "name", "headline", "company", "address", "language", "affiliation")
_ALL_OF = ("all_signals", "not_signals")
_EITHER = ("note", "group", "recommended", "announced", "repeat")


@dataclass(frozen=True, slots=True)
class Remark:
    """Something the owner should look at; `where` is its place in the file, () for what stands in another."""

    where: tuple[str | int, ...]
    what: str


def lint(
    settings: PolicySettings, rules: tuple[Rule, ...], policy: Policy, replies: Replies, *, topics: tuple[str, ...]
) -> tuple[Remark, ...]:
    """All that is wrong, in the order of the file."""
    return (*_switches(settings), *_rules(rules, policy, topics), *needs(policy, topics), *_replies(rules, replies))


def _switches(settings: PolicySettings) -> Iterator[Remark]:
    used = {switch for row in preset(settings.preset) for switch in (row.only_with, row.not_with)}
    for switch in SWITCHES:
        if switch in settings.switched_on and switch not in used:
            yield Remark(("policy", switch), f"{switch} changes nothing in the preset {settings.preset}")


def _rules(rules: tuple[Rule, ...], policy: Policy, topics: tuple[str, ...]) -> Iterator[Remark]:
    for number, rule in enumerate(rules):
        for key, why in _never(rule.when, policy, topics):
            yield Remark(("rule", number, "when", key), f"rule {rule.name!r} can never match: {why}")
        above = next((earlier for earlier in rules[:number] if covers(earlier.when, rule.when)), None)
        if above:
            yield Remark(("rule", number), f"rule {rule.name!r} is never reached: {above.name!r} takes all of it first")
        if rule.when.always and above is None:
            yield Remark(
                ("rule", number), f"rule {rule.name!r} takes everything: nothing below it counts, nor the preset"
            )


def _never(when: When, policy: Policy, topics: tuple[str, ...]) -> Iterator[tuple[str, str]]:
    """The conditions that no mail can fulfil, and why."""
    if when.kind and INVITES.isdisjoint(when.kind):
        yield "kind", "only invitations and reminders come to the rules, anything else is ignored before"
    known = [network.NAME for network in networks()]
    for name in when.network:
        if name not in known:
            yield "network", f"there is no network {name!r}{_near(name, known)}"
    asked = {*when.signals, *when.all_signals}
    if when.note is NoteKind.DEFAULT and asked:
        yield "note", "the stock sentence gives no signals"
    excluded = {*when.not_signals}
    if excluded.intersection(when.all_signals) or (when.signals and excluded.issuperset(when.signals)):
        yield "not_signals", "it both asks for a signal and excludes it"
    if not topics and (Signal.TOPIC in when.all_signals or when.signals == (Signal.TOPIC,)):
        yield "all_signals" if when.all_signals else "signals", "[me] names no topics"
    for language in when.language:
        if not re.fullmatch(r"[a-z]{2}", language):
            yield "language", f'{language!r} is no language code like "de"'
    if when.affiliation and not policy.institutions:
        yield "affiliation", "[me] names no institution"
    if when.group and not (policy.groups and policy.institutions):
        yield "group", "there is no [[group]], or [me] names no institution"


def covers(wide: When, narrow: When) -> bool:
    """Whether every mail that fulfils the narrow conditions fulfils the wide ones."""
    one_of = all(_within(getattr(narrow, key), getattr(wide, key)) for key in _ONE_OF)
    all_of = all(set(getattr(wide, key)) <= set(getattr(narrow, key)) for key in _ALL_OF)
    either = all(getattr(wide, key) in (None, getattr(narrow, key)) for key in _EITHER)
    return one_of and all_of and either


def _within(narrow: tuple[str, ...], wide: tuple[str, ...]) -> bool:
    return not wide or (bool(narrow) and set(narrow) <= set(wide))


def needs(policy: Policy, topics: tuple[str, ...]) -> Iterator[Remark]:
    """What the table asks for and the owner has not told."""
    if not policy.institutions and any(row.when.affiliation for row in policy.rows):
        yield Remark(("me", "institution"), "the policy asks who studies at your institution, but [me] names none")
    if not policy.groups and any(row.reply == "group" for row in policy.rows):
        yield Remark(("group",), "the policy asks people into a group, but there is no [[group]]: they get no link")
    if policy.groups and not any(row.reply == "group" for row in policy.rows):
        yield Remark(("group", 0), 'no rule answers with "group", so nobody is told of your [[group]]')
    if not topics and any(Signal.TOPIC in (*row.when.signals, *row.when.all_signals) for row in policy.rows):
        yield Remark(("me", "topics"), "the policy asks for your topics, but [me] names none")


def _replies(rules: tuple[Rule, ...], replies: Replies) -> Iterator[Remark]:
    if replies.used() and not replies.voice.name:
        yield Remark(("me", "name"), "[me] has no name to sign replies with")
    for name in replies.used():
        place: tuple[str | int, ...] = next(
            (("rule", i, "reply") for i, rule in enumerate(rules) if rule.reply == name), ()
        )
        try:
            samples = [replies.sample(name, language) for language in replies.languages(name)]
        except BadTemplate as exc:
            near = _near(name, replies.shelf.names()) if name not in replies.shelf.names() else ""
            yield Remark(place, f"{exc}{near}")
            continue
        for sample in samples:
            yield from (Remark(place, f"{name}.{sample.language}.txt {why}") for why in _manners(sample, replies))
        for language in set(replies.voice.answer_in).difference(sample.language for sample in samples):
            yield Remark(
                ("policy", "answer_in"), f"there is no {name}.{language}.txt: such notes get {samples[0].language!r}"
            )


def _manners(sample: Reply, replies: Replies) -> Iterator[str]:
    """What a template says that a reply should not."""
    if len(sample.body) > _LONGEST_MAIL:
        yield f"is {len(sample.body)} characters long; an answer is brief"
    if len(sample.short) > LONGEST_SHORT:
        yield f"has a short text of {len(sample.short)} characters; networks take {LONGEST_SHORT}"
    files = (f"{sample.template}.{sample.language}.txt", f"{sample.template}.short.{sample.language}.txt")
    templates = [template for file in files if (template := replies.shelf.find(file))]
    for template in templates:
        if not {"contact", "group_url"} & template.holes:
            yield f"closes the door: {template.path.name} offers neither {{{{ contact }}}} nor {{{{ group_url }}}}"
    # The template's own words: what fills the holes may well name the institution.
    text = fold(" ".join(_HOLE.sub(" ", template.source) for template in templates))
    for institution in replies.policy.institutions:
        if any(institution.spans(text)):
            yield f"names {institution.name}: a reply speaks for you alone"
    for fault, words in _words_of(sample.language).items():
        if found := words.search(text):
            yield f"{fault}: “{found[0]}”"


@functools.cache
def _words_of(language: str) -> dict[str, re.Pattern[str]]:
    """What to look for in a reply of that language; nothing where there is no file for it."""
    file = resources.files("gateway") / "manners" / f"{language}.toml"
    if not file.is_file():
        return {}
    lists = tomllib.loads(file.read_text("utf-8"))
    faults = {"employer": "speaks for an employer", "blame": "blames", "closes": "closes the door"}
    return {fault: re.compile(rf"(?<!\w)(?:{'|'.join(lists[key])})(?!\w)") for key, fault in faults.items()}


def _near(name: str, names: list[str] | tuple[str, ...]) -> str:
    near = difflib.get_close_matches(name, names, 1, cutoff=0.5)
    return f", did you mean {near[0]!r}?" if near else ""
