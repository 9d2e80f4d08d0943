// What no test asks of a supervisor by way of the gateway.

import Channel
import Interfaces
import Syscalls

extension FakeSupervisor {
    func updateLimits(
        _ request: UpdateLimitsRequest, context: CallContext
    ) async throws(Fault) -> InstanceState {
        throw Fault(.unsupported)
    }

    func watchUsage(
        _ request: WatchUsageRequest, context: CallContext, items: ItemSink<UsageItem>
    ) async throws(Fault) {
        throw Fault(.unsupported)
    }
}
