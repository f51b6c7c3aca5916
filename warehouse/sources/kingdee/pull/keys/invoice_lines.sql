-- Every entry of a receivable document there is, whatever its state: what is not among them was deleted.
SELECT bill.FBILLNO AS document_id, CAST(entry.FSEQ AS varchar(20)) AS line_id
FROM T_AR_RECEIVABLE AS bill
JOIN T_AR_RECEIVABLEENTRY AS entry ON entry.FID = bill.FID
JOIN T_ORG_ORGANIZATIONS AS organization ON organization.FORGID = bill.FSETTLEORGID
WHERE organization.FNUMBER = :company
