// A protoc plugin: from each service of a schema, with the contract its options declare, the
// Swift client, handler protocol, dispatcher and descriptor table. Refuses, naming it, a service
// or method whose contract is missing or cannot hold; it never guesses one.

internal import SwiftProtobuf
internal import SwiftProtobufPluginLibrary

@main
struct CelautGenerator: CodeGenerator {
    var supportedFeatures: [Google_Protobuf_Compiler_CodeGeneratorResponse.Feature] { [] }

    var customOptionExtensions: [any AnyMessageExtension] {
        [WireExtensions_method, WireExtensions_interface]
    }

    /// Writes `<schema>.celaut.swift` for each schema with a message, and the catalogue of all.
    func generate(
        files: [FileDescriptor], parameter: any CodeGeneratorParameter,
        protoCompilerContext: any ProtoCompilerContext, generatorOutputs: any GeneratorOutputs
    ) throws {
        let schemas = try files.map { try Schema($0) }
        try checkNumbers(schemas.flatMap(\.services))
        for schema in schemas {
            guard let contents = schema.source() else { continue }
            try generatorOutputs.add(
                fileName: "\(schema.baseName).celaut.swift", contents: contents)
        }
        try generatorOutputs.add(
            fileName: "Catalogue.celaut.swift", contents: Catalogue(schemas).source())
        if let described = JSONSchemas(files) {
            try generatorOutputs.add(
                fileName: "\(JSONSchemas.service)Schemas.celaut.swift", contents: described.source()
            )
        }
    }

    /// Interface numbers are global.
    private func checkNumbers(_ services: [Service]) throws(ContractError) {
        var owners: [UInt16: String] = [:]
        for service in services {
            if let other = owners.updateValue(service.name, forKey: service.number) {
                throw ContractError(service.name, "has the number of \(other): \(service.number)")
            }
        }
    }
}

/// Why a schema cannot be generated from: what is at fault, and how.
struct ContractError: Error, CustomStringConvertible {
    let subject: String
    let problem: String

    init(_ subject: String, _ problem: String) {
        self.subject = subject
        self.problem = problem
    }

    var description: String { "\(subject): \(problem)" }
}
