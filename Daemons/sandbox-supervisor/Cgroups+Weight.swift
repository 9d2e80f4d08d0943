import Syscalls

/// Whether weights of block I/O mean anything here.
extension Cgroups {
    /// What shares out the device below a directory by weight: "bfq", its scheduler; "iocost", a
    /// controller of cgroup v2; or "none", and then weights are written where there is a place for
    /// them and change nothing. Of a device made of others (LVM, RAID) the lower ones decide: "none".
    func sharing(below path: String) -> String {
        guard let device = try? File.status(path).device else { return "none" }
        let number = "\(device.major):\(device.minor)"
        // A partition has the queue of its disk.
        for queue in ["queue", "../queue"] {
            let file = "/sys/dev/block/\(number)/\(queue)/scheduler"
            guard let text = try? File.readAll(file, limit: 256) else { continue }
            if String(decoding: text, as: UTF8.self).contains("[bfq]") { return "bfq" }
        }
        if case .version2 = kind,
            let text = try? File.readAll("/sys/fs/cgroup/io.cost.qos", limit: 16_384)
        {
            let lines = String(decoding: text, as: UTF8.self).split(separator: "\n")
            let isOn = lines.contains {
                $0.hasPrefix("\(number) ") && $0.contains("enable=1")
            }
            if isOn { return "iocost" }
        }
        return "none"
    }
}
