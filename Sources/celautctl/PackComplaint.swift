package import Interfaces
package import ServiceModel

/// What is wrong with a pack, as the person reads it who packs: the same faults have other words where
/// a box is asked for.
extension Complaint {
    /// - Parameter source: what was sent: a path of the user's.
    package init(_ fault: Fault, packing source: String) {
        guard let words = Self.words(fault, source) else {
            self.init(fault)
            return
        }
        self.init(words.text, hint: words.hint, lines: fault.lines, code: ExitCode(fault))
        self.fault = fault
    }

    private typealias Words = (text: String, hint: String)

    private static func words(_ fault: Fault, _ source: String) -> Words? {
        switch (fault.code, fault.reason) {
        case (.invalid, .malformed) where fault.subject == "archive":
            return (
                "\(source) is no archive that can be read: neither a tar, nor one that is compressed.",
                "Give a folder, or look at it with: tar tf \(source)"
            )
        case (.invalid, .truncated) where fault.subject == "archive":
            return (
                "\(source) ends before its end.",
                "Make or get it again, whole; an archive is checked with: tar tf \(source)"
            )
        case (.invalid, .badDescriptor) where fault.subject.hasPrefix("descriptors["):
            let isTree = fault.subject.hasPrefix("descriptors[0]")
            let what = !isTree ? "service.json" : source == "-" ? "Standard input" : source
            return ("\(what) is neither a file nor a pipe.", "Give one that has something in it.")
        default: return image(fault, source)
        }
    }

    /// What is not as it must be in a container image.
    private static func image(_ fault: Fault, _ source: String) -> Words? {
        let part = "image "
        switch (fault.code, fault.reason) {
        case (.invalid, .fileMissing) where fault.subject == "index.json":
            return (
                "\(source) is no container image: neither an OCI layout nor what \"docker save\" writes.",
                "Make one: skopeo copy SOURCE oci:LAYOUT:TAG"
            )
        case (.invalid, .fileMissing) where fault.subject.hasPrefix("blobs/"):
            return (
                "\(source) names \(fault.subject) and does not have it.",
                "Get the image again, whole: skopeo copy --all SOURCE oci:LAYOUT:TAG"
            )
        case (.notFound, _) where fault.subject.hasPrefix(part):
            let name = fault.subject.dropFirst(part.count)
            if name.isEmpty {
                return (
                    "\(source) has no image in it.",
                    "Make one: skopeo copy SOURCE oci:LAYOUT:TAG"
                )
            }
            return (
                "\(source) has no image called \"\(name)\".",
                fault.lines.isEmpty
                    ? "Its images have no names: leave --image-name out."
                    : "It has those above: choose one with --image-name."
            )
        case (.unsupported, _) where fault.subject.hasPrefix(part):
            return (
                "\(source) has no \(fault.subject), which service.json says it is for.",
                "It has the above; skopeo copy --override-arch gets that of another machine."
            )
        case (.invalid, .duplicate) where fault.subject == "image":
            return (
                "\(source) has several images.",
                "Choose one with --image-name, or \"image_name\" in pack_config.json."
            )
        case (.unsupported, _)
        where ["layer ", "manifest ", "digest "].contains { fault.subject.hasPrefix($0) }:
            return (
                "\(source) has a \(fault.subject), of a kind that is not known here.",
                "Copy it with a tool that writes OCI layouts: skopeo copy SOURCE oci:LAYOUT:TAG"
            )
        case (.invalid, .missingKey), (.invalid, .wrongType), (.invalid, .malformed):
            // The documents of an image go by their digests; those of a project have names.
            guard fault.subject.contains("sha256:") || fault.subject.hasPrefix("index.json ") else {
                return nil
            }
            return (
                "\(source) is no image that can be read: \(fault.subject) is not as it must be.",
                "Get it again, or copy it: skopeo copy SOURCE oci:LAYOUT:TAG"
            )
        default: return nil
        }
    }

    /// A description that cannot be read, in the words that box-builder's refusal has.
    package init(_ error: DescriptionError) {
        let (code, reason): (Fault.Code, Fault.Reason) =
            switch error.condition {
            case .unknownKey: (.invalid, .unknownKey)
            case .missingKey: (.invalid, .missingKey)
            case .wrongType: (.invalid, .wrongType)
            case .malformed: (.invalid, .malformed)
            case .tooDeep: (.invalid, .tooDeep)
            case .duplicateKey: (.invalid, .duplicate)
            case .badName: (.invalid, .badName)
            case .outOfRange: (.invalid, .outOfRange)
            case .belowMinimum: (.invalid, .belowMinimum)
            case .tooLarge: (.tooLarge, .unspecified)
            case .unsupported: (.unsupported, .unspecified)
            }
        self.init(
            Fault(
                code, reason: reason, subject: error.key, limit: error.limit,
                actual: error.actual, lines: error.accepted))
    }

    /// A document that cannot be read.
    package init(_ error: JSONError, of bytes: [UInt8], at path: String) {
        let why: String
        switch error {
        case .malformed(let offset):
            let before = bytes.prefix(offset)
            let line = before.count { $0 == UInt8(ascii: "\n") } + 1
            let column = before.reversed().prefix { $0 != UInt8(ascii: "\n") }.count + 1
            why = "it cannot be read from line \(line), column \(column) on"
        case .tooDeep(let limit): why = "it is nested in more than \(limit) levels"
        case .tooMany(let limit): why = "it has more than \(limit) values"
        case .duplicateKey(let key): why = "\"\(key)\" is there twice"
        }
        self.init(
            "\(path) is no JSON document: \(why).", hint: "Check it: python3 -m json.tool \(path)",
            code: .invalidInput)
    }
}
