import Chassis

/// The policy as the configuration file has it; refuses what is not understood, by its key.
extension NetworkPolicy {
    /// Reads the table `networks`: `allow`, `deny`, and a table for each network under `named`.
    init(_ reader: ConfigurationReader) throws(ConfigurationError) {
        self.init()
        allow = try Self.globs("allow", reader)
        deny = try Self.globs("deny", reader)
        let tables = try reader.table("named").tables()
        guard tables.count <= Self.networksMax else {
            throw reader.invalid("named", "has more than \(Self.networksMax) networks")
        }
        for (name, table) in tables {
            guard !name.isEmpty, name.utf8.count <= Glob.bytesMax else {
                throw reader.invalid("named", "has a name of more than \(Glob.bytesMax) bytes")
            }
            var endpoints: [NetworkEndpoint] = []
            for text in try table.strings("endpoints") {
                guard let endpoint = NetworkEndpoint(text) else {
                    throw table.invalid(
                        "endpoints",
                        "has \"\(text)\", which is not HOST:PORT, HOST:PORT/udp or "
                            + "NAME:PORT=HOST:PORT")
                }
                endpoints.append(endpoint)
            }
            guard endpoints.count <= Self.endpointsMax else {
                throw table.invalid("endpoints", "has more than \(Self.endpointsMax)")
            }
            named.append(
                NamedNetwork(
                    name: name, endpoints: endpoints, protocols: try table.strings("protocols")))
        }
    }

    private static func globs(
        _ key: String, _ reader: ConfigurationReader
    ) throws(ConfigurationError) -> [Glob] {
        var globs: [Glob] = []
        for text in try reader.strings(key) {
            guard let glob = Glob(text) else {
                throw reader.invalid(key, "has a pattern that is empty or too long")
            }
            globs.append(glob)
        }
        guard globs.count <= globsMax else {
            throw reader.invalid(key, "has more than \(globsMax) patterns")
        }
        return globs
    }
}
