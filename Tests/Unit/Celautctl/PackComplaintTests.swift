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
            (Fault(.notFound, subject: "image "), "has no image in it"),
            (Fault(.unsupported, subject: "layer wasm"), "layer wasm, of a kind"),
            (Fault.invalid(.missingKey, subject: "sha256:00 layers"), "sha256:00 layers is not as"),
            (Fault.invalid(.wrongType, subject: "index.json manifests[0] size"), "[0] size"),
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

    @Test("What cannot be read is called by its name")
    func descriptors() {
        let tree = Fault.invalid(.badDescriptor, subject: "descriptors[0]")
        #expect(Complaint(tree, packing: "a.tar").text == "a.tar is neither a file nor a pipe.")
        #expect(Complaint(tree, packing: "-").text.hasPrefix("Standard input is "))
        let description = Fault.invalid(.badDescriptor, subject: "descriptors[1]")
        #expect(Complaint(description, packing: "a.tar").text.hasPrefix("service.json is "))
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

    @Test(
        "Of what a program does, its last line is shown, and nothing that moves the cursor",
        arguments: [
            ("", ""), ("\n\n", ""), ("STEP 1/2: FROM x\nSTEP 2/2: RUN y\n", "STEP 2/2: RUN y"),
            ("a\n  \n", "a"), ("one\r50%\r70%", "70%"), ("\u{1B}[2Jred", "\u{FFFD}[2Jred"),
        ])
    func lastLine(said: String, shown: String) {
        #expect(PackProgress.lastLine(of: Array(said.utf8)) == shown)
    }
}
