"""What the user of the app notices of a problem, in one sentence, shown before the fault in the code.

Rules of living here: only what the page holds anyway says so: what was recorded and did not come, audio that was not heard as it came, how
much later a reply began. Where nothing of that tells, there is no sentence.
"""

from __future__ import annotations

from typing import Any, FrozenSet, Iterable, List, Mapping, Optional, Sequence

from evi_harness.pages.lost_audio import CUT, LATE, SKIPPED

__all__ = ["noticed"]

# Later than this people notice that a reply is late.
_LATE_MS = 200.0
_SHOWN_LINES = 2

_SOUNDS_WRONG: Mapping[str, str] = {
    "plays_nothing": "The user hears nothing of what the assistant says.",
    "wrong_audio": "The user hears something other than what the service said.",
    "wrong_length": "The user hears a reply that is shorter or longer than what the service said.",
    "played_twice": "The user hears a piece of a reply twice.",
    "out_of_order_audio": "The user hears pieces of a reply in the wrong order.",
    "changed_audio": "The user hears the replies changed.",
}
_DELAYS = frozenset({"blocked", "maybe_blocked", "falls_behind", "late", "never_returns", "underrun"})
_OTHER_MESSAGE = frozenset({"different", "unexpected", "out_of_order"})
_ENDS = frozenset({"closed_early", "stuck", "over_time"})
_NOT_JUDGED = frozenset({"gate", "twice", "fault", "incomplete"})


def noticed(
    problem: Mapping[str, Any], consequences: Sequence[int], sides: Sequence[Mapping[str, Any]], pairs: Sequence[Sequence[Optional[int]]]
) -> Optional[str]:
    """What the user notices of a problem.

    Args:
        problem: The problem, as the page has it.
        consequences: What did not happen because of it, by the seqs of the recording.
        sides: The sides of the page.
        pairs: The turns of both, paired.

    Returns:
        A sentence; None where nothing on the page tells.
    """
    if problem["what"] in _NOT_JUDGED:
        return None
    facts = _Facts(sides, pairs)
    return facts.told(problem, frozenset(consequences))


class _Facts:
    def __init__(self, sides: Sequence[Mapping[str, Any]], pairs: Sequence[Sequence[Optional[int]]]) -> None:
        self._recorded, self._replayed, self._pairs = sides[0], sides[-1], pairs
        self._has_both = len(sides) > 1

    def told(self, problem: Mapping[str, Any], consequences: FrozenSet[int]) -> Optional[str]:
        kind = problem["kind"]
        found = self._never_said(consequences)
        if found is None and kind == "plays_on":
            found = self._talks_on(problem)
        if found is None and kind == "never_played":
            found = self._not_heard(problem)
        if found is None and kind in _DELAYS:
            found = self._delayed(problem)
        if found is None and kind in _SOUNDS_WRONG:
            found = _SOUNDS_WRONG[kind]
        if found is None and kind in _OTHER_MESSAGE:
            found = "The service gets something different from the recording. How it would respond is not known."
        if found is None and kind in _ENDS and problem["at_ms"] is not None:
            found = f"The conversation ends after {_seconds(problem['at_ms'])}."
        return self._nothing() if found is None and not consequences and kind not in ("missing", "plays_on", "never_played") else found

    def _never_said(self, consequences: FrozenSet[int]) -> Optional[str]:
        """What the assistant said in the recording, and did not say in the replay because of it."""
        lines = [
            one
            for one in self._recorded["transcript"]
            if one["seq"] in consequences and one["who"] == "assistant" and one["text"] and not one["is_interim"]
        ]
        if not lines:
            return None
        said = _quoted_all([one["text"] for one in lines])
        turn = _by_number(self._recorded["turns"], lines[0]["turn"])
        question = (turn or {}).get("user")
        if turn is None or question is None or not question["text"]:
            return f"The user never hears {said}."
        if self._is_silent(turn["number"]):
            return f"After {_quoted(question['text'])} the user hears nothing: {said} never {'come' if len(lines) > 1 else 'comes'}."
        return f"After {_quoted(question['text'])} the user never hears {said}."

    def _is_silent(self, recorded_number: int) -> bool:
        """Whether nothing was heard in the turn of the replay that is the same as one of the recording."""
        numbers = [pair[1] for pair in self._pairs if len(pair) > 1 and pair[0] == recorded_number]
        turn = _by_number(self._replayed["turns"], numbers[0]) if self._has_both and numbers else None
        return turn is not None and (turn["reply"] is None or turn["reply"]["first_audio_ms"] is None)

    def _talks_on(self, problem: Mapping[str, Any]) -> Optional[str]:
        seqs = {one["replayed_seq"] for one in (problem, *problem["more"])}
        rows = [one for one in self._replayed["interruptions"] if one["seq"] in seqs and one["silent_ms"] is not None]
        if not rows:
            return "The user interrupts, and the assistant goes on talking."
        times = f", and {len(rows) - 1} more times" if len(rows) > 2 else ", and again" if len(rows) == 2 else ""
        return f"The user interrupts, and still hears the old reply for {_seconds(rows[0]['silent_ms'] - rows[0]['at_ms'])}{times}."

    def _not_heard(self, problem: Mapping[str, Any]) -> Optional[str]:
        pieces = self._pieces(problem, (SKIPPED, CUT))
        if not pieces:
            return None
        numbers = list(dict.fromkeys(one["turn"] for one in pieces))
        reply = (_by_number(self._replayed["turns"], numbers[0]) or {}).get("reply")
        lost = _seconds(sum(one["length_ms"] for one in pieces))
        first = _quoted(reply["text"]) if reply is not None and reply["text"] else "a reply"
        if len(numbers) == 1:
            return f"The user does not hear {lost} of {first}."
        return f"The user does not hear {lost} in all, of {len(numbers)} replies; the first is {first}."

    def _pieces(self, problem: Mapping[str, Any], kinds: Iterable[str]) -> List[Mapping[str, Any]]:
        """Audio that was not heard as it came, in the turns of a problem."""
        seqs = {one["replayed_seq"] for one in (problem, *problem["more"])}
        turns = {one["turn"] for one in self._replayed["lost_audio"] if one["seq"] in seqs}
        turns |= {one["turn"] for one in self._replayed["transcript"] if one["seq"] in seqs}
        return [one for one in self._replayed["lost_audio"] if one["turn"] in turns and one["kind"] in kinds]

    def _delayed(self, problem: Mapping[str, Any]) -> Optional[str]:
        """How much later than in the recording the reply began that a problem lies before; and how often the speaker ran dry."""
        told = []
        turn = self._turn_at(problem["replayed_ms"] if problem["replayed_ms"] is not None else problem["at_ms"])
        number = None if turn is None else turn["number"]
        dry = [one for one in self._replayed["lost_audio"] if one["turn"] == number and one["kind"] == LATE]
        # What is late before anything of the reply was heard is its beginning; the rest are gaps within it.
        first_ms = None if turn is None or turn["reply"] is None else turn["reply"]["first_audio_ms"]
        begins = [one for one in dry if first_ms is not None and one["begin_ms"] <= first_ms]
        gaps = [one for one in dry if one not in begins]
        late_ms = (self._late_ms(turn) or 0.0 if turn is not None else 0.0) + sum(one["length_ms"] for one in begins)
        if turn is not None and late_ms >= _LATE_MS:
            to = f"The reply to {_quoted(turn['user']['text'])}" if turn["user"] is not None and turn["user"]["text"] else "The reply"
            told.append(f"{to} begins {_seconds(late_ms)} later than in the recording.")
        if gaps:
            often = "once" if len(gaps) == 1 else f"{len(gaps)} times"
            told.append(f"The speaker falls silent {often} within the reply, for {_seconds(sum(one['length_ms'] for one in gaps))} in all.")
        if not told and problem["until_ms"] is not None and problem["kind"] in ("blocked", "maybe_blocked"):
            told.append(f"For {_seconds(problem['until_ms'] - problem['at_ms'])} the app does not react to anything.")
        return " ".join(told) or None

    def _turn_at(self, at_ms: Optional[float]) -> Optional[Mapping[str, Any]]:
        turns = [one for one in self._replayed["turns"] if at_ms is not None and one["begin_ms"] <= at_ms]
        return turns[-1] if turns else None

    def _late_ms(self, turn: Mapping[str, Any]) -> Optional[float]:
        numbers = [pair[0] for pair in self._pairs if len(pair) > 1 and pair[1] == turn["number"]]
        then = _by_number(self._recorded["turns"], numbers[0]) if self._has_both and numbers else None
        waits = None if then is None else (_waited_ms(turn), _waited_ms(then))
        return None if waits is None or waits[0] is None or waits[1] is None else waits[0] - waits[1]

    def _nothing(self) -> Optional[str]:
        """That nothing was seen of it in what is heard; None where something is missing there, whatever for."""
        is_lost = any(one["kind"] in (SKIPPED, CUT, LATE) for one in self._replayed["lost_audio"])
        replies = [len([one for one in side["turns"] if one["reply"] is not None]) for side in (self._recorded, self._replayed)]
        is_whole = self._has_both and not is_lost and replies[0] == replies[1]
        return "The user notices nothing in this conversation: everything that was recorded is heard." if is_whole else None


def _waited_ms(turn: Mapping[str, Any]) -> Optional[float]:
    """How long it took from the user's final message to the first audio of the reply."""
    user, reply = turn["user"], turn["reply"]
    if user is None or reply is None or reply["first_audio_ms"] is None:
        return None
    return float(reply["first_audio_ms"] - user["message_ms"])


def _by_number(turns: Sequence[Mapping[str, Any]], number: Optional[int]) -> Optional[Mapping[str, Any]]:
    return next((one for one in turns if number is not None and one["number"] == number), None)


def _seconds(of_ms: float) -> str:
    # As the page writes lengths elsewhere: one number for one thing.
    return f"{of_ms / 1000:.{2 if of_ms < 10_000 else 1}f} s"


def _quoted_all(texts: Sequence[str]) -> str:
    shown = [_quoted(text) for text in texts[:_SHOWN_LINES]]
    more = len(texts) - len(shown)
    if more:
        return f"{', '.join(shown)} and {more} more {'sentence' if more == 1 else 'sentences'}"
    return " and ".join(shown)


def _quoted(text: str) -> str:
    line = " ".join(text.split())
    return f"“{line if len(line) <= 70 else f'{line[:69]}…'}”"
