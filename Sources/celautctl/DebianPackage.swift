/// A package of Debian's archive, as its index has it (Debian policy, chapter 5).
package struct DebianPackage {
    package var name = ""
    var version = ""
    var architecture = ""
    var sha256 = ""
    var bytes: UInt64 = 0
    var isEssential = false
    var provides: [String] = []
    /// Clauses that all must hold; of each, names any of which does.
    var needs: [[String]] = []

    /// Packages whose use is in the scripts of others, which do not run here. With those that
    /// Debian marks Essential they are left out unless they are asked for.
    static let scriptHelpers: Set<String> = [
        "adduser", "debconf", "debconf-2.0", "dpkg", "init-system-helpers", "install-info",
        "lsb-base", "passwd", "sysvinit-utils", "ucf", "usr-is-merged", "usrmerge",
    ]

    /// Reads the paragraphs that `apt-cache show` prints.
    package static func read(_ text: String) -> [DebianPackage] {
        var packages: [DebianPackage] = []
        var package = DebianPackage()
        for line in text.split(separator: "\n", omittingEmptySubsequences: false) {
            if line.isEmpty {
                if !package.name.isEmpty { packages.append(package) }
                package = DebianPackage()
            } else if !line.hasPrefix(" "), let colon = line.firstIndex(of: ":") {
                let rest = line[line.index(after: colon)...].drop { $0 == " " }
                package.take(line[..<colon], String(rest))
            }
        }
        if !package.name.isEmpty { packages.append(package) }
        return packages
    }

    private mutating func take(_ field: Substring, _ value: String) {
        switch field {
        case "Package": name = value
        case "Version": version = value
        case "Architecture": architecture = value
        case "SHA256": sha256 = value
        case "Size": bytes = UInt64(value) ?? 0
        case "Essential": isEssential = value == "yes"
        case "Provides": provides = Self.clauses(value).flatMap(\.self)
        case "Depends", "Pre-Depends": needs += Self.clauses(value)
        default: break
        }
    }

    /// "a (>= 1) | b:any, c" as [[a, b], [c]].
    private static func clauses(_ value: String) -> [[String]] {
        value.split(separator: ",").map { clause in
            clause.split(separator: "|").map { choice in
                let name = choice.drop { $0 == " " }
                return String(name.prefix { $0 != " " && $0 != ":" && $0 != "(" && $0 != "[" })
            }
        }
    }

    /// Whether it is what this name stands for: its own, or one that it provides.
    package func isCalled(_ name: String) -> Bool { self.name == name || provides.contains(name) }

    /// The packages that the asked ones need in a box, out of those that apt would install.
    package static func needed(
        by asked: [String], among packages: [DebianPackage], withEssential: Bool
    ) -> [DebianPackage] {
        if withEssential { return packages.sorted { $0.name < $1.name } }
        var providers: [String: [DebianPackage]] = [:]
        for package in packages {
            for name in Set([package.name] + package.provides) {
                providers[name, default: []].append(package)
            }
        }
        var found: [String: DebianPackage] = [:]
        var names = asked
        while let name = names.popLast() {
            let isVirtual = !packages.contains { $0.name == name }
            for package in providers[name] ?? [] where found[package.name] == nil {
                let isAsked =
                    asked.contains(package.name) || (isVirtual && asked.contains(name))
                guard isAsked || !(package.isEssential || scriptHelpers.contains(package.name))
                else { continue }
                found[package.name] = package
                names += package.needs.flatMap(\.self)
            }
        }
        return found.values.sorted { $0.name < $1.name }
    }
}

extension DebianPackage {
    /// What apt says where it cannot choose, as a sentence; unchanged where it says something else.
    package static func explained(_ complaint: Complaint) -> Complaint {
        var complaint = complaint
        for line in complaint.lines {
            let quoted = line.split(separator: "'", omittingEmptySubsequences: false)
            if line.hasPrefix("E: Unable to locate package ") {
                let name = line.split(separator: " ").last ?? ""
                complaint.text = "Debian has no package called \"\(name)\"."
            } else if line.hasSuffix("has no installation candidate"), quoted.count == 3 {
                complaint.text = "\"\(quoted[1])\" is no package, but what several are."
                complaint.hint = "Write the one you mean: they are listed above."
            } else if line.hasPrefix("E: Version "), quoted.count == 5 {
                complaint.text = "Debian has no \(quoted[3]) of the version \(quoted[1])."
                complaint.hint = "See which there are: apt-cache policy \(quoted[3])"
            }
        }
        return complaint
    }
}
