package import Interfaces
import Syscalls

/// A service that somebody hands over. It goes to box-builder as it comes, which computes the id.
extension GatewayService {
    package func upload(
        _ request: UploadServiceRequest, by caller: GatewayCaller, package: OfferedPackage
    ) async throws(Fault) -> UploadServiceReply {
        let owner = try uploader(caller)
        let expected = request.serviceIDBytes
        guard expected.isEmpty || expected.count == 32 else {
            throw GatewayFault.outOfRange("service_id", limit: 32, actual: UInt64(expected.count))
        }
        if !expected.isEmpty, let known = try await known(expected) { return known }
        let turn = try uploads.begin(owner, now: moment.monotonic)
        var bytes: UInt64 = 0
        defer { uploads.end(turn, bytes: bytes) }
        let box: BoxSummary
        do throws(Fault) {
            box = try await hand(package.open(), request, turn.bytesMax, &bytes)
        } catch {
            // Progress is told from time to time; this is told to the byte.
            if error.code == .tooLarge { bytes = max(bytes, min(error.actual, 2 * turn.bytesMax)) }
            throw error
        }
        if !box.alreadyPresent { bytes = max(bytes, box.canonicalBytes) }
        var reply = UploadServiceReply()
        reply.serviceIDBytes = box.serviceIDBytes
        reply.alreadyPresent = box.alreadyPresent
        return reply
    }

    /// Whose bytes these are; nil for the maintainer.
    private func uploader(_ caller: GatewayCaller) throws(Fault) -> UInt32? {
        switch caller {
        case .user(let uid, let isMaintainer): return isMaintainer ? nil : uid
        case .client(let number): return number
        case .instance(let id):
            guard let record = machine.records[id] else {
                throw GatewayFault.noInstance(id.description)
            }
            return record.owner
        case .anyone: throw GatewayFault.forbidden("upload")
        }
    }

    /// The answer for a service that is here.
    private func known(_ id: [UInt8]) async throws(Fault) -> UploadServiceReply? {
        var inspect = InspectBoxRequest()
        inspect.box = Hexadecimal.text(id)
        do throws(Fault) {
            let (box, _) = try await boxes.inspectBox(inspect, deadline: .seconds(10))
            var reply = UploadServiceReply()
            reply.serviceIDBytes = box.summary.serviceIDBytes
            reply.alreadyPresent = true
            return reply
        } catch {
            guard error.code == .notFound else { throw error }
            return nil
        }
    }

    /// - Parameter bytes: how many were read so far.
    private func hand(
        _ package: Parcel, _ request: UploadServiceRequest, _ bytesMax: UInt64,
        _ bytes: inout UInt64
    ) async throws(Fault) -> BoxSummary {
        var order = ImportPackageRequest()
        order.codec = request.codec
        order.expectedIDBytes = request.serviceIDBytes
        order.bytesMax = bytesMax
        let items = try await boxes.importPackage(
            order, descriptors: package, deadline: .seconds(Int64(limits.uploadSeconds)))
        while let item = try await items.next() {
            switch item.event {
            case .progress(let step) where step.phase == .reading: bytes = step.bytes
            case .box(let box): return box
            default: break
            }
        }
        throw Fault(.unavailable, subject: "box-builder")
    }
}
