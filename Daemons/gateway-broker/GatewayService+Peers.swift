import Interfaces
import Logging
import ServiceModel
import Syscalls

/// What is asked of the peers, and what their answers mean to the registry.
extension GatewayService {
    // LIMIT: 60 s for the supervisor to begin with an instance: it mounts and makes a disk image.
    private static let launchDeadline = Duration.seconds(60)
    // LIMIT: 10 s to open a box, which is a row and three descriptors.
    private static let openDeadline = Duration.seconds(10)
    // LIMIT: 2 s to release one before the end is told all the same, and it is tried again: whoever
    // stops an instance does not wait for a box-builder that is away.
    private static let releaseDeadline = Duration.seconds(2)
    // LIMIT: 1 MiB for a specification without its filesystem, as box-builder bounds it.
    private static let specificationBytesMax = 1 << 20

    func run(_ errand: Errand) async {
        switch errand {
        case .openSockets(let id, let transport, let count):
            await openSockets(id, transport, count)
        case .enter(let id, let slots, let entrances): await enter(id, slots, entrances)
        case .openWays(let id): await openWays(id)
        case .openDoor(let id): await openDoor(id)
        case .lookAgain: await lookAgain()
        case .peer(.launch(let record)): await launch(record)
        case .peer(.watch(let id)): await watch(id)
        case .peer(.stop(let id, let grace)): await stop(id, grace: grace)
        case .peer(.forget(let id)): await forget(id)
        case .peer(.release(let id)): await release(id)
        case .peer(.listInstances): await listInstances()
        case .peer(.listHolds): await listHolds()
        case .peer: break
        }
    }

    private func launch(_ record: InstanceRecord) async {
        do throws(Fault) {
            var open = OpenBoxRequest()
            open.box = record.reference
            open.holder = record.id.description
            open.knowsReadOnly = true
            let (reply, parcel) = try await self.open(open)
            let serviceID = reply.summary.serviceIDBytes
            guard let image = parcel.take(0), let objects = parcel.take(1),
                let specification = parcel.take(2)
            else { throw Fault(.internal, reason: .badDescriptor, subject: "OpenBox") }
            let terms = try terms(specification)
            let now = moment
            let plan = try InstancePlan(
                record: record, serviceID: serviceID, terms: terms,
                limits: limits, budget: machine.budget(of: record.id, now: now))
            // Charged before anybody makes it, and written down before it can be had.
            await settle(submit(try machine.grant(record.id, plan.request.limits, now: now)))
            let given = NetworkBook.resolutions(try await join(record, terms))
            let descriptors = Parcel(image)
            descriptors.append(objects)
            descriptors.append(
                try sealed(try ConfigurationContent.bytes(plan, resolutions: given)))
            var request = plan.request
            request.root = reply.root == .checkout ? .checkout : .layers
            request.listeners = listenersAtStart(record.id, slots: plan.slots)
            let started = try await start(request, descriptors)
            try plan.check(started.state)
            tell(
                .launched(
                    record.id,
                    Launch(serviceID: serviceID, slots: plan.slots, state: started.state)))
        } catch {
            logger.notice("instance \(record.id) does not start: \(error)")
            tell(.launchFailed(record.id, error))
        }
    }

    private func open(_ request: OpenBoxRequest) async throws(Fault) -> (OpenBoxReply, Parcel) {
        do throws(Fault) {
            return try await boxes.openBox(request, deadline: Self.openDeadline)
        } catch {
            throw GatewayFault.uploadable(error, request.box)
        }
    }

    /// An instance that was lost before it was ready is only in the supervisor's way: it would be the
    /// answer to its id for ever.
    private func start(
        _ request: StartInstanceRequest, _ descriptors: Parcel
    ) async throws(Fault) -> StartInstanceReply {
        let first = try await sandbox.startInstance(
            request, descriptors: descriptors, deadline: Self.launchDeadline)
        guard first.state.phase == .ended, first.state.ended.cause == .lost else { return first }
        var forget = ForgetInstanceRequest()
        forget.instanceIDBytes = request.instanceIDBytes
        _ = try await sandbox.forgetInstance(forget)
        return try await sandbox.startInstance(
            request, descriptors: descriptors, deadline: Self.launchDeadline)
    }

    func terms(_ specification: borrowing Descriptor) throws(Fault) -> BoxTerms {
        let bytes = try Self.read(specification)
        let service: Service
        let tree: TreeTerms
        do throws(ProtoError) {
            service = try Service(decoding: bytes)
            tree = try TreeTerms(in: bytes)
        } catch {
            throw Fault(.corrupt, reason: .malformed, subject: "specification: \(error)")
        }
        var terms = try BoxTerms(service)
        terms.shares = tree.shares
        terms.isReadOnly = tree.isReadOnly
        return terms
    }

    /// Sealed and small, so that reading does not wait; at offsets, because whoever sealed it may have
    /// handed out the same open file before.
    static func read(_ descriptor: borrowing Descriptor) throws(Fault) -> [UInt8] {
        do throws(Errno) {
            let size = try File.status(descriptor).sizeBytes
            guard size <= UInt64(Self.specificationBytesMax) else { throw .fileTooLarge }
            var bytes: [UInt8] = []
            var step = [UInt8](repeating: 0, count: 65_536)
            while bytes.count < Int(size) {
                let count = try File.read(descriptor, into: &step, at: UInt64(bytes.count))
                if count == 0 { break }
                bytes.append(contentsOf: step[..<count])
            }
            return bytes
        } catch .fileTooLarge {
            throw GatewayFault.tooLarge(
                "specification", limit: Self.specificationBytesMax,
                actual: Self.specificationBytesMax + 1)
        } catch {
            throw GatewayFault.internalError("specification: \(error.name)")
        }
    }

    private func sealed(_ bytes: [UInt8]) throws(Fault) -> Descriptor {
        do throws(Errno) {
            return try Memfd.sealed(bytes, name: "celaut-configuration")
        } catch {
            throw GatewayFault.internalError("configuration: \(error.name)")
        }
    }

    /// Follows an instance until it ended, or the supervisor went away.
    private func watch(_ id: InstanceID) async {
        var request = WatchInstanceRequest()
        request.instanceIDBytes = id.bytes
        do throws(Fault) {
            let lane = try lanes.take()
            defer { lanes.giveBack(lane) }
            let states = try await lanes.client(lane).watchInstance(request)
            while let state = try await states.next() {
                tell(.observed(id, state))
                if state.phase == .ended { return }
            }
            tell(.watchLost(id, Fault(.unavailable, subject: "sandbox-supervisor")))
        } catch {
            tell(.watchLost(id, error))
        }
    }

    private func stop(_ id: InstanceID, grace: UInt32) async {
        var request = StopInstanceRequest()
        request.instanceIDBytes = id.bytes
        request.graceMs = grace
        do throws(Fault) {
            let lane = try lanes.take()
            defer { lanes.giveBack(lane) }
            let state = try await lanes.client(lane).stopInstance(
                request, deadline: .milliseconds(Int64(grace)) + .seconds(30))
            tell(.observed(id, state))
        } catch {
            tell(.stopFailed(id, error))
        }
    }

    private func forget(_ id: InstanceID) async {
        var request = ForgetInstanceRequest()
        request.instanceIDBytes = id.bytes
        do throws(Fault) {
            _ = try await sandbox.forgetInstance(request)
        } catch {
            logger.debug("the supervisor does not forget \(id): \(error)")
            tell(.forgetFailed(id))
        }
    }

    private func release(_ id: InstanceID) async {
        var request = ReleaseBoxRequest()
        request.holder = id.description
        do throws(Fault) {
            _ = try await boxes.releaseBox(request, deadline: Self.releaseDeadline)
            tell(.released(id))
        } catch {
            logger.debug("the box of \(id) is not released: \(error)")
            tell(.releaseFailed(id))
        }
    }

    // LIMIT: more instances than two gateways could have are not one gateway's.
    private var listedMax: Int { 4 * (limits.instances + limits.endedInstances) }

    private func listInstances() async {
        do throws(Fault) {
            let stream = try await sandbox.listInstances(
                ListInstancesRequest(), deadline: .seconds(30))
            var states: [InstanceState] = []
            while let state = try await stream.next() {
                guard states.count < listedMax else {
                    throw GatewayFault.limitReached("listed-instances", listedMax)
                }
                states.append(state)
            }
            tell(.supervisorListed(states))
        } catch {
            logger.debug("the supervisor does not list: \(error)")
            tell(.listingFailed(.instances))
        }
    }

    private func listHolds() async {
        do throws(Fault) {
            let stream = try await boxes.listHolds(ListHoldsRequest(), deadline: .seconds(30))
            var holders: [String] = []
            while let hold = try await stream.next() {
                guard holders.count < listedMax else {
                    throw GatewayFault.limitReached("listed-holds", listedMax)
                }
                holders.append(hold.holder)
            }
            tell(.holdsListed(holders))
        } catch {
            logger.debug("box-builder does not list its holds: \(error)")
            tell(.listingFailed(.holds))
        }
    }
}
