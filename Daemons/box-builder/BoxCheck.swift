import Interfaces
import ServiceModel
import SharedCrypto
import Syscalls

/// One box's image, where it has one, compared with what was written, and its checkout with its tree.
struct BoxCheck {
    let store: ObjectStore
    let record: BoxRecord

    /// - Returns: what is wrong, and how many bytes were read.
    func run() throws(Fault) -> (findings: [StoreFinding], bytes: UInt64) {
        let name = "images/\(record.id.imageName)"
        var findings: [StoreFinding] = []
        var bytes: UInt64 = 0
        do throws(Errno) {
            let image = try store.openImageAsItIs(record.id)
            let digest = try Self.digest(of: image, &bytes)
            if let expected = record.image, digest != expected {
                var altered = finding(.imageAltered, name)
                if let range = difference(image) {
                    altered.offset = range.lowerBound
                    altered.bytes = range.upperBound - range.lowerBound
                }
                findings.append(altered)
                store.distrust(imageOf: record.id)
            }
        } catch .noEntry where record.form != nil {
            // It is made when the box is opened.
        } catch {
            findings.append(finding(error == .noEntry ? .imageMissing : .unreadable, name))
            store.distrust(imageOf: record.id)
        }
        guard Checkout(store: store).exists(record.id) else { return (findings, bytes) }
        // A form that is missing or altered is told among the contents.
        guard let tree = try? StoredForm.tree(of: record, in: store) else {
            return (findings, bytes)
        }
        var check = CheckoutCheck(store: store, id: record.id)
        check.run(tree)
        if !check.findings.isEmpty { Checkout(store: store).distrust(record.id) }
        return (findings + check.findings, bytes + check.bytes)
    }

    /// From the first byte that is not as written to the last: the image is made again from the form
    /// of the box. nil where that is altered, too, or only the length is wrong, or an earlier build wrote
    /// the image in another form.
    private func difference(_ image: borrowing Descriptor) -> Range<UInt64>? {
        guard let tree = try? StoredForm.tree(of: record, in: store),
            let nodes = try? ErofsTree(tree), let expected = try? ErofsImage(nodes)
        else { return nil }
        var offset: UInt64 = 0
        var range: Range<UInt64>?
        var buffer: [UInt8] = []
        var hash = SHA256()
        do throws(Errno) {
            try expected.write { (piece: [UInt8]) throws(Errno) in
                // SAFETY: bytes have no padding; they are read during the call.
                unsafe piece.withUnsafeBytes { unsafe hash.update(bufferPointer: $0) }
                buffer = [UInt8](repeating: 0, count: piece.count)
                let count = try File.read(image, into: &buffer, at: offset)
                for index in 0..<count where buffer[index] != piece[index] {
                    let place = offset + UInt64(index)
                    range = (range?.lowerBound ?? place)..<(place + 1)
                }
                offset += UInt64(piece.count)
            }
        } catch {
            return range
        }
        return ContentDigest(hash) == record.image ? range : nil
    }

    private func finding(_ kind: FindingKind, _ name: String) -> StoreFinding {
        var finding = StoreFinding(kind, name)
        finding.places = [FindingPlace(record.id)]
        finding.boxes = 1
        return finding
    }

    static func digest(
        of file: borrowing Descriptor, _ bytes: inout UInt64
    ) throws(Errno) -> ContentDigest {
        var hash = SHA256()
        var buffer = [UInt8](repeating: 0, count: StoreVerifier.bufferBytes)
        while true {
            let count = try File.read(file, into: &buffer)
            if count == 0 { return ContentDigest(hash) }
            bytes += UInt64(count)
            // SAFETY: bytes have no padding; they are read during the call.
            unsafe buffer.span.extracting(0..<count).bytes.withUnsafeBytes {
                unsafe hash.update(bufferPointer: $0)
            }
        }
    }
}
