//! Lists the operations that are served, by path.

/// The operation that a request asks for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[allow(missing_docs)] // The protocol's own names.
pub(super) enum Operation {
    CreateTable,
    ListTable,
    DescribeTable,
    UpdateTable,
    DeleteTable,
    PutRow,
    UpdateRow,
    DeleteRow,
    GetRow,
    BatchGetRow,
    BatchWriteRow,
    BulkImport,
    GetRange,
    ComputeSplitPointsBySize,
    ListSearchIndex,
    ListTimeseriesTable,
    Stream(StreamOperation),
    Tunnel(TunnelOperation),
    Snapshot(SnapshotOperation),
    /// Tells why a request was refused. Only this program has it.
    Why,
}

/// The operations that read changes without a tunnel.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum StreamOperation {
    List,
    Describe,
    GetShardIterator,
    GetRecord,
}

/// The operations on tunnels.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum TunnelOperation {
    Create,
    Delete,
    List,
    Describe,
    Connect,
    Heartbeat,
    Shutdown,
    GetCheckpoint,
    ReadRecords,
    Checkpoint,
}

/// The operations on snapshots, which only this program has.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum SnapshotOperation {
    Open,
    Read,
    Changes,
    Close,
}

/// All operations, with the paths by which requests name them.
pub(super) const OPERATIONS: [(&str, Operation); 35] = [
    ("/CreateTable", Operation::CreateTable),
    ("/ListTable", Operation::ListTable),
    ("/DescribeTable", Operation::DescribeTable),
    ("/UpdateTable", Operation::UpdateTable),
    ("/DeleteTable", Operation::DeleteTable),
    ("/PutRow", Operation::PutRow),
    ("/UpdateRow", Operation::UpdateRow),
    ("/DeleteRow", Operation::DeleteRow),
    ("/GetRow", Operation::GetRow),
    ("/BatchGetRow", Operation::BatchGetRow),
    ("/BatchWriteRow", Operation::BatchWriteRow),
    ("/BulkImport", Operation::BulkImport),
    ("/GetRange", Operation::GetRange),
    ("/ComputeSplitPointsBySize", Operation::ComputeSplitPointsBySize),
    ("/ListSearchIndex", Operation::ListSearchIndex),
    ("/ListTimeseriesTable", Operation::ListTimeseriesTable),
    ("/ListStream", Operation::Stream(StreamOperation::List)),
    ("/DescribeStream", Operation::Stream(StreamOperation::Describe)),
    ("/GetShardIterator", Operation::Stream(StreamOperation::GetShardIterator)),
    ("/GetStreamRecord", Operation::Stream(StreamOperation::GetRecord)),
    ("/tunnel/create", Operation::Tunnel(TunnelOperation::Create)),
    ("/tunnel/delete", Operation::Tunnel(TunnelOperation::Delete)),
    ("/tunnel/list", Operation::Tunnel(TunnelOperation::List)),
    ("/tunnel/describe", Operation::Tunnel(TunnelOperation::Describe)),
    ("/tunnel/connect", Operation::Tunnel(TunnelOperation::Connect)),
    ("/tunnel/heartbeat", Operation::Tunnel(TunnelOperation::Heartbeat)),
    ("/tunnel/shutdown", Operation::Tunnel(TunnelOperation::Shutdown)),
    ("/tunnel/getcheckpoint", Operation::Tunnel(TunnelOperation::GetCheckpoint)),
    ("/tunnel/readrecords", Operation::Tunnel(TunnelOperation::ReadRecords)),
    ("/tunnel/checkpoint", Operation::Tunnel(TunnelOperation::Checkpoint)),
    ("/orderflow/snapshot/open", Operation::Snapshot(SnapshotOperation::Open)),
    ("/orderflow/snapshot/read", Operation::Snapshot(SnapshotOperation::Read)),
    ("/orderflow/snapshot/changes", Operation::Snapshot(SnapshotOperation::Changes)),
    ("/orderflow/snapshot/close", Operation::Snapshot(SnapshotOperation::Close)),
    ("/orderflow/why", Operation::Why),
];

impl Operation {
    /// Returns the operation of a path, which must match exactly.
    pub(super) fn find(path: &str) -> Option<Operation> {
        OPERATIONS.iter().find(|(known, _)| *known == path).map(|(_, operation)| *operation)
    }

    /// Returns whether the answer may be large.
    pub(super) fn answers_with_rows(self) -> bool {
        matches!(
            self,
            Operation::GetRow
                | Operation::BatchGetRow
                | Operation::GetRange
                | Operation::Stream(StreamOperation::GetRecord)
                | Operation::Tunnel(TunnelOperation::ReadRecords)
                | Operation::Snapshot(SnapshotOperation::Read | SnapshotOperation::Changes)
        )
    }
}
