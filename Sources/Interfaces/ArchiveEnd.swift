/// What stands behind an archive that is made while it is sent (`BoxBuilder.ImportTree`).
///
/// Keeps true: the maker's end alone does not complete an import. Whoever made the archive may have
/// failed and ended it properly all the same, as tar does, or the sender may have died.
package enum ArchiveEnd {
    package static let word = Array("celaut: complete".utf8)
}
