// What is wrong with a pack is said of what was packed, not of a box that nobody asked for.

import Interfaces
import Testing
import celautctl

@Suite struct PackComplaintTests {
    @Test(
        "A source that cannot be packed is named, with what is wrong with it",
        arguments: [
            (Fault.invalid(.malformed, subject: "archive"), "is no archive"),
            (Fault.invalid(.truncated, subject: "archive"), "ends before its end"),
            (Fault.invalid(.fileMissing, subject: "index.json"), "is no container image"),
            (
                Fault.invalid(.fileMissing, subject: "blobs/sha256/00"),
                "names blobs/sha256/00 and does not have it"
            ),
            (Fault(.notFound, subject: "image app:2", lines: ["app:1"]), "called \"app:2\""),
            (Fault(.notFound, subject: "image app:2"), "called \"app:2\""),
            (Fault(.unsupported, subject: "image for linux/arm64"), "image for linux/arm64"),
            (Fault(.invalid, reason: .duplicate, subject: "image"), "several images"),
        ])
    func image(fault: Fault, told: String) {
        let complaint = Complaint(fault, packing: "work/tree")
        #expect(complaint.text.hasPrefix("work/tree ") && complaint.text.contains(told))
        #expect(complaint.text.hasSuffix(".") && !complaint.hint.isEmpty)
        #expect(complaint.code == ExitCode(fault) && complaint.fault == fault)
        #expect(complaint.lines == fault.lines)
    }

    @Test(
        "What is wrong in the tree or the description is said as everywhere",
        arguments: [
            Fault.invalid(.fileMissing, subject: "/bin/app"), .invalid(.badName, subject: "tag"),
            .invalid(.truncated, subject: "lib/app"), Fault(.notFound, subject: "redis"),
        ])
    func others(fault: Fault) {
        #expect(Complaint(fault, packing: "work/tree") == Complaint(fault))
    }
}
