"""What is said of a box beside it: where opinions on it stand."""

import json

import pytest

import bee
import boxes
import canonical
import wire_client as w
from boxes import described
from test_exchange import PLAIN, START, branch, export, import_bytes, refused, service


def proof(ledger, **found_by):
    message = canonical.messages().Contract(xattrs={key: value.encode() for key, value in found_by.items()})
    message.ledger.tags.append(ledger)
    return message


def about(node, box):
    """The proofs that a package of the box has in its metadata."""
    metadata = bee.Package(export(node, box, w.box.CODEC_BEE)[0]).metadata
    return list(canonical.messages().Metadata.FromString(metadata).reputation_proofs)


def test_where_opinions_stand_is_kept_beside_the_box_and_travels_with_it(node):
    tar = boxes.tar_bytes([boxes.entry("start", START)])
    said = [{"ledger": "ergo", "xattrs": {"token": "abc"}},
            {"ledger": {"tags": ["other"], "prose": "p"}, "xattrs": {"key": {"base64": "AP8="}}}]
    plain = node.import_box(tar, PLAIN)
    box = node.import_box(tar, described(PLAIN, reputation_proofs=said))
    # An opinion names the id: the id does not depend on it.
    assert box.service_id == plain.service_id and box.already_present
    mine = proof("ergo", token="abc")
    proofs = about(node, box.service_id)
    assert mine in proofs and len(proofs) == 2
    done = node.command("boxes", "inspect", box.service_id.hex(), "--format", "json")
    shown = json.loads(done.stdout)["reputationProofs"]
    assert {"ledger": ["ergo"], "xattrs": {"token": "abc"}} in shown
    assert {"ledger": ["other"], "xattrs": {"key": "AP8="}} in shown
    # A package brings its own to those that are there, each once; they go with the box.
    whole = export(node, box.service_id, w.box.CODEC_PROTO3)[0]
    theirs = proof("ergo", token="de\x1b[2Jf")
    metadata = canonical.messages().Metadata(reputation_proofs=[mine, theirs])
    package = bee.package(bee.chunks(whole), about=metadata.SerializeToString())
    assert import_bytes(node, package).service_id == box.service_id
    assert sorted(one.SerializeToString() for one in about(node, box.service_id)) == sorted(
        one.SerializeToString() for one in [*proofs, theirs])
    table = node.command("boxes", "inspect", box.service_id.hex()).stdout
    assert "token=abc" in table and "\x1b" not in table and "token=de\ufffd[2Jf" in table
    node.remove_box(box.service_id)
    assert import_bytes(node, whole).service_id == box.service_id
    assert not about(node, box.service_id)
    node.remove_box(box.service_id)


def test_more_opinions_than_are_kept_are_refused_and_leave_nothing(node):
    many = [proof("l", token=f"{number:05}" + "x" * 1_000) for number in range(17)]
    whole = service(branch("start", START, 0o100755))
    metadata = canonical.messages().Metadata(reputation_proofs=many).SerializeToString()
    fault = refused(node, bee.package(bee.chunks(whole), about=metadata))
    assert (fault.code, fault.subject) == ("TOO_LARGE", "reputation_proofs"), fault
    assert fault.fault.limit == 16_384 < fault.fault.actual
    with pytest.raises(w.Fault) as caught:
        node.import_box(boxes.tar_bytes([boxes.entry("start", START)]), described(
            PLAIN, reputation_proofs=[{"ledger": "l", "xattrs": {"k": f"{n}" + "x" * 1_000}} for n in range(17)]))
    assert (caught.value.code, caught.value.subject) == ("TOO_LARGE", "reputation_proofs")
    fault = refused(node, bee.package(bee.chunks(whole), about=b"\xff\xff"))
    assert (fault.reason, fault.subject) == ("MALFORMED", "package: metadata"), fault
