/// "possible_environment_workload": sets of descendants that a service may have running at the same
/// time. Said for whoever chooses where it runs; nothing is started, or refused, because of it.
extension DescriptionObject {
    mutating func scenarios() throws(DescriptionError) -> [WorkloadScenario] {
        let key = "possible_environment_workload"
        switch members.first(where: { $0.key == key })?.value {
        case .null, .object(_)?:
            guard case .object(let some)? = take(key), !some.isEmpty else { return [] }
            throw DescriptionError(.wrongType, key: path(key))
        default: break
        }
        var scenarios: [WorkloadScenario] = []
        for (value, path) in try list(key) {
            var object = try DescriptionObject(value, path: path)
            var scenario = WorkloadScenario()
            for (value, path) in try object.list("workloads") {
                scenario.workloads.append(try Self.workload(value, path))
            }
            try object.finish()
            guard !scenario.workloads.isEmpty else {
                throw DescriptionError(.missingKey, key: object.path("workloads"))
            }
            scenarios.append(scenario)
        }
        return scenarios
    }

    private static func workload(
        _ value: JSONValue, _ path: String
    ) throws(DescriptionError) -> Workload {
        var object = try DescriptionObject(value, path: path)
        var workload = Workload()
        let count = try object.natural("count") ?? 1
        guard count > 0, let small = UInt32(exactly: count) else {
            throw DescriptionError(
                .outOfRange, key: object.path("count"), limit: count == 0 ? 1 : UInt64(UInt32.max),
                actual: count)
        }
        workload.count = small
        if var given = try object.object("resources") {
            workload.resources = try given.sysresources(over: Sysresources())
            try given.finish()
        }
        workload.dependency = try object.dependency()
        try object.finish()
        return workload
    }

    /// An id, or an object that says it: `{"id": "…", "on_filesystem": true}`.
    private mutating func dependency() throws(DescriptionError) -> Dependency {
        guard let value = take("dependency") else {
            throw DescriptionError(.missingKey, key: path("dependency"))
        }
        var dependency = Dependency()
        var id: String?
        var place = path("dependency")
        if case .string(let text) = value {
            id = text
        } else {
            var object = try DescriptionObject(value, path: place)
            place = object.path("id")
            id = try object.text("id")
            switch object.take("on_filesystem") {
            case nil, .bool(false)?: break
            case .bool(true)?: dependency.onFilesystem = true
            default: throw DescriptionError(.wrongType, key: object.path("on_filesystem"))
            }
            try object.finish()
        }
        guard let id else { throw DescriptionError(.missingKey, key: place) }
        guard let bytes = Hexadecimal.bytes(id), bytes.count == 32 else {
            throw DescriptionError(.malformed, key: place)
        }
        dependency.hashes = [Hash(.sha3, value: bytes)]
        return dependency
    }
}
