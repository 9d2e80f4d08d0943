// The bugs that are planted, to see that they are found.

/// A bug in the wiring, the storage or a machine's step. Each stands for a kind of mistake that is
/// easily made in a daemon like these.
enum Plant: String, CaseIterable {
    case tellBeforeDurable = "a start is acknowledged before it is durable"
    case forgetParent = "a restart forgets whose child an instance is"
    case releaseEarly = "a box is given back while its instance runs"
    case ignoreCancel = "a cancelled request is never answered"
    case loseCredit = "a credit is lost on its way"
    case reuseID = "an instance's id is given twice"
    case parentEndsFirst = "the end of a parent is told before its family's"
    case leakDescriptors = "the descriptors of a failed start are never closed"
    case killBeforeRecord = "an instance is told to end before why is durable"
    case forgetRelease = "the box of an instance that ended is never given back"
    case forgetKey = "an ended start is forgotten, and its key starts another"
    case adoptNobody = "a restarted supervisor does not look for who still runs"
    case noSecondWatch = "a watch that was cut is not opened again"
    case launchTwice = "a repeated start makes a second instance"
    case skipStop = "children are not stopped with their parent"
    case turnTwice = "who leaves the import queue makes room twice"
    case answerTwice = "a request is answered by whoever sees its end first, and again"
    case keepPort = "the port of an instance that ended stays open"
    case retryLoses = "a write the full disk refused is not made again"
}
