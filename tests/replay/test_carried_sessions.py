"""Drawn sessions with EVI go to the simulator of the other dialect and back, in time that jumps: the same turns, calls and answers."""

from __future__ import annotations

import array
from dataclasses import replace

from hypothesis import HealthCheck, assume, given, settings

from evi_harness.acts.moving.migrating import move_of
from evi_harness.audio.resampling import convert
from evi_harness.dialects import dialect_named, dialect_of, user_acts_of
from evi_harness.evi.dialect import EVI
from evi_harness.replay.cues import LEAD_NS, Cues, heard_replies
from evi_harness.replay.judging.moved_turns import MovedSide, moved_turns
from evi_harness.replay.live_user import LiveUser
from evi_harness.replay.played_recording import AS_RECORDED, blocks
from evi_harness.session.events import BINARY, Closed, Frame, Handshake, Opened, Received, Sent
from evi_harness.session.g711 import linear_samples
from evi_harness.session.protocols import ANSWERS, FOREIGN, SETS_UP, Mark, Send
from evi_harness.simulate.partners import ScriptedPartner, ScriptedTurn
from evi_harness.simulate.replies import Answer, Reply, Sentence, ToolCall
from evi_harness.simulate.simulators import SIMULATORS
from evi_harness.strategies import sessions

MS = 1_000_000
LOUD = 8_000
STEP_NS = 10 * MS


class LoudnessHearing:
    """Hears speech in every 10 ms in which something is loud."""

    name = "loudness 1"

    def __init__(self):
        self._rest, self._end_ns = b"", 0

    def hear(self, samples, pcm, start_ns):
        """What can be judged by now."""
        samples, pcm = linear_samples(samples, pcm)
        marks = []
        if start_ns > self._end_ns + pcm.length_ns(len(self._rest)) + MS:
            marks.append(Mark(self._end_ns, start_ns, 0.0))
            self._rest, self._end_ns = b"", start_ns
        self._rest += samples
        size = pcm.rate * STEP_NS // 1_000_000_000 * pcm.frame_bytes
        while len(self._rest) >= size:
            block, self._rest = self._rest[:size], self._rest[size:]
            is_loud = max(map(abs, array.array("h", block))) > LOUD // 2
            marks.append(Mark(self._end_ns, self._end_ns + STEP_NS, float(is_loud)))
            self._end_ns += STEP_NS
        return marks


def heard(session):
    """The session, its user's audio loud where the service says that they spoke, and silent elsewhere."""
    spans = [(one.speech.begin_ns, one.speech.end_ns) for one in EVI.turns(session.events) if one.speech is not None]
    positions = {block.seq: block.position_ns for block in blocks(session, EVI, AS_RECORDED)}
    audio = session.audio(EVI)

    def changed(event):
        if event.seq not in positions:
            return event
        end_ns = positions[event.seq]
        is_speech = any(begin < end_ns and end_ns - audio.length_ns(event.seq) < end for begin, end in spans)
        payload = array.array("h", [LOUD if is_speech else 0] * (event.frame.size // 2)).tobytes()
        return replace(event, frame=Frame(BINARY, payload))

    return replace(session, events=tuple(map(changed, session.events)))


def partner_of(session):
    """A partner that says and calls what the session's service did."""
    uses = user_acts_of(EVI).calls(session.events)
    greeting, turns = None, []
    for turn in EVI.turns(session.events):
        said = (Sentence(turn.reply_text),) if turn.reply_text.strip() else ()
        if turn.user is None:
            greeting = Reply(said)
            continue
        reply = Reply(said)
        for seq in turn.tool_calls:
            reply = Reply(tool=ToolCall(uses[seq].name, uses[seq].arguments, answers=(Answer(said),)))
        turns.append(ScriptedTurn(reply, said=turn.user_text))
    return ScriptedPartner(tuple(turns), greeting)


def conversation(service, user, handshake):
    """What crosses between a service and a user, in time that jumps; the service may also do what nobody sees."""
    events, now_ns = [Opened(0, 0, handshake=handshake)], 0
    service.take(events[0], 0)
    while not isinstance(events[-1], Closed):
        for action in service.due(now_ns):
            if isinstance(action, Send):
                events.append(Received(len(events), now_ns, frame=action.frame))
                user.take(events[-1], now_ns)
        for action in user.due(now_ns):
            if isinstance(action, Send):
                events.append(Sent(len(events), now_ns, frame=action.frame))
            else:
                events.append(Closed(len(events), now_ns, by="app", code=action.code, reason=action.reason))
            service.take(events[-1], now_ns)
        coming = [one for one in (service.next_at_ns(), user.next_at_ns()) if one is not None]
        now_ns = max(now_ns, min(coming, default=now_ns))
    return tuple(events)


def moved(session, name, partner):
    """The session, held again with the simulator of a dialect."""
    live = dialect_named(name)
    move = move_of(session, dialect_of(session), live, {})
    cues = Cues.of(session, dialect_of(session), left_out=move.what.left_out)
    user, mannerly = move.user(lambda wording: LiveUser(session, live, cues, wording=wording))
    service = SIMULATORS[name].open(LoudnessHearing(), partner, SIMULATORS[name].options, convert, None, None)
    found = replace(session, events=conversation(service, mannerly, Handshake("/", move.client.query)))
    assert user.lapses == [], user.lapses
    assert live.rejected(found.events) == {}
    return replace(found, header=replace(found.header, dialect=name))


def speaks_in_turn(session):
    """Whether the user says nothing before the reply to what they said: what then answers what is the service's own affair."""
    replies = heard_replies(session.events, EVI)
    if any(one.turn.speech is not None and one.turn.speech.end_ns - one.turn.speech.begin_ns < 100 * MS for one in replies):
        # A click is no speech.
        return False
    positions = session.audio(EVI).positions
    for one, other in zip(replies, replies[1:]):
        said_ns = other.asked_ns if other.turn.speech is None else positions.reached_at_ns(other.turn.speech.begin_ns)
        if one.began_ns is None or said_ns is None or said_ns - LEAD_NS <= one.began_ns:
            return False
    return True


def can_be_carried(session):
    """Whether it has nothing that only EVI has, and each turn words and a reply, so that one can be told from another."""
    acts = user_acts_of(EVI).acts(session.events)
    built_in = (EVI.read(one.kind, one.frame) for one in session.events if isinstance(one, Received))
    first_ns = min(reply.asked_ns for reply in heard_replies(session.events, EVI))
    at_ns = {event.seq: event.at_ns for event in session.events}
    return (
        speaks_in_turn(session)
        # What changes it later goes by the reply that was under way, as the next words do, and the two are not always told apart.
        and not any(act.kind == SETS_UP and at_ns[seq] > first_ns for seq, act in acts.items())
        and not any(act.kind == FOREIGN for act in acts.values())
        and not any(one.type == "tool_call" and one.fields["tool_type"] == "builtin" for one in built_in)
        and all(turn.reply_text.strip() and (turn.user is None or turn.user_text.strip()) for turn in EVI.turns(session.events))
    )


def answers(session):
    """What tools answered, in their order."""
    acts = user_acts_of(dialect_of(session)).acts(session.events)
    return [act.text for act in acts.values() if act.kind == ANSWERS]


# A few each time, and always the same; hundreds of other seeds were tried once.
@settings(max_examples=10, derandomize=True, suppress_health_check=[HealthCheck.filter_too_much, HealthCheck.too_slow], deadline=None)
@given(recorded=sessions(max_turns=3, closed_by=("app",)))
def test_there_and_back_a_drawn_conversation_is_the_same(recorded):
    """Whatever is typed, spoken, called, interrupted and set up in it."""
    assume(EVI.turns(recorded.events))
    assume(can_be_carried(recorded))
    recorded = heard(recorded)
    sides = [recorded, moved(recorded, "openai-realtime", partner_of(recorded))]
    sides.append(moved(sides[1], "evi", partner_of(recorded)))
    for one, other in zip(sides, sides[1:]):
        both = [MovedSide(each, dialect_of(each), user_acts_of(dialect_of(each))) for each in (one, other)]
        differing = [turn for turn in moved_turns(*both) if set(turn.differing) - {"interrupted"}]
        assert differing == []
        assert answers(one) == answers(other)
