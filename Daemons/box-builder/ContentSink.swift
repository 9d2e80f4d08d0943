package import Interfaces
package import ServiceModel

/// Where the contents of files go while a tree is read, one after the other.
package protocol ContentSink: AnyObject {
    /// A file's content starts. Never while another is open.
    func begin() throws(Fault)
    /// More of it.
    func append(_ bytes: RawSpan) throws(Fault)
    /// It is complete.
    func finish() throws(Fault) -> ContentDigest
    /// It will not be completed.
    func discard()
    /// A second name for a content that was completed.
    func again(_ digest: ContentDigest, bytes: UInt64)
}

extension ContentSink {
    package func again(_ digest: ContentDigest, bytes: UInt64) {}
}
