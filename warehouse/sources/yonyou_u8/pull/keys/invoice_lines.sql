-- Every line of an invoice there is, whatever its state: what is not among them was deleted.
SELECT bill.cVouchType + '-' + bill.cSBVCode AS document_id, line.AutoID AS line_id
FROM SaleBillVouch AS bill
JOIN SaleBillVouchs AS line ON line.SBVID = bill.SBVID
