package import Syscalls

/// What the generated dispatchers are to a server: bodies in, bodies out, one interface each.
package protocol Dispatcher: Sendable {
    var interface: InterfaceDescriptor { get }

    /// Reads the body, asks the handler, and writes its answer. The caller's role and the
    /// descriptors' count and kinds were checked before.
    ///
    /// - Returns: the reply; nil when the method was a stream and its items are all sent.
    func answer(
        _ method: MethodDescriptor, body: [UInt8], descriptors: Parcel, context: CallContext,
        items: any RawSink
    ) async throws(Fault) -> Answer?
}

/// Where a stream's items go.
package protocol RawSink: Sendable {
    /// Waits for credit. Throws when the caller cancelled or went away, and at the deadline.
    func send(_ body: [UInt8]) async throws(Fault)
}

/// Who is asking, and how long they wait. `Task.isCancelled` tells that they no longer do.
package struct CallContext: Sendable {
    /// The caller's role on this connection.
    package let role: Role
    /// The caller's uid, from the kernel.
    package let uid: UInt32
    /// The caller's process id when it connected, for logs.
    package let pid: Int32
    /// Time left when the request arrived; nil for none.
    package let deadline: Duration?
    /// The program the caller says it is, for logs.
    package let program: String

    package init(role: Role, uid: UInt32, pid: Int32, deadline: Duration?, program: String) {
        self.role = role
        self.uid = uid
        self.pid = pid
        self.deadline = deadline
        self.program = program
    }
}
