import Channel
import Interfaces
import LaunchPlan
import SwiftProtobuf
import Syscalls

/// What a parent gives its children of its directories. What it offers is what its own start said; who
/// is whose parent is the caller's to know.
extension SandboxService {
    /// The parent's directories for a start, as its witness has them.
    struct Inheritance: Sendable {
        let directories: [LaunchPlan.Inherited]
        /// Tells when the parent has ended.
        let parent: SharedDescriptor
    }

    /// - Returns: nil where nothing is asked for.
    /// - Throws: FORBIDDEN with the path of the first that the parent does not offer, or not so, and
    ///   what it offers.
    func inherit(_ check: StartCheck) async throws(Fault) -> Inheritance? {
        guard let first = check.inherited.first, let parent = check.parent else { return nil }
        guard let record = machines[parent]?.record, !record.hasEnded, record.stop == nil,
            let pidfd = living[parent]?.pidfd
        else { throw Self.refusal(first, offered: []) }
        let workplace = workplace
        guard let (offers, device) = await loop.runBlocking({ workplace.offers(of: parent) })
        else { throw Self.refusal(first, offered: []) }
        var directories: [LaunchPlan.Inherited] = []
        for asked in check.inherited {
            guard let index = offers.firstIndex(where: { Self.isSame($0, asked) }),
                asked.readOnly || !offers[index].readOnly
            else { throw Self.refusal(asked, offered: offers) }
            directories.append(
                LaunchPlan.Inherited(
                    path: asked.path, device: device, index: UInt8(index),
                    isReadOnly: asked.readOnly))
        }
        return Inheritance(directories: directories, parent: pidfd)
    }

    private static func isSame(_ one: InstanceShare, _ other: InstanceShare) -> Bool {
        one.name.utf8.elementsEqual(other.name.utf8)
    }

    private static func refusal(_ asked: InstanceShare, offered: [InstanceShare]) -> Fault {
        Fault(
            .forbidden, subject: "share /\(asked.path.joined(separator: "/"))",
            lines: offered.map { "\($0.name) \($0.readOnly ? "ro" : "rw")" })
    }
}

extension Workplace {
    /// Writes down what an instance offers, before it is launched.
    func note(_ offers: [InstanceShare], of id: InstanceID) throws(LaunchFailure) {
        if offers.isEmpty { return }
        var kept = StartInstanceRequest()
        kept.offers = offers
        do {
            let file = try File.open(
                "\(directory(id))/\(InstanceFiles.offers)", .writeOnly, [.create, .truncate])
            try File.writeAll(file, [UInt8](kept.serializedBytes() as [UInt8]))
        } catch {
            let errno = error as? Errno
            throw LaunchFailure(step: "note shares", code: (errno ?? .invalid).code)
        }
    }

    /// What an instance offers, and the loop device that has it; nil before its root was made, or
    /// where it offers nothing.
    func offers(of id: InstanceID) -> (offers: [InstanceShare], device: UInt32)? {
        let path = directory(id)
        guard
            let bytes = try? File.readAll(
                "\(path)/\(InstanceFiles.offers)", limit: LaunchLimits.packetBytesMax),
            let text = try? File.readAll("\(path)/\(InstanceFiles.layer)", limit: 32),
            let device = UInt32(String(decoding: text.dropLast(), as: UTF8.self)),
            let kept = try? StartInstanceRequest(serializedBytes: bytes)
        else { return nil }
        return (kept.offers, device)
    }
}
